import type { Permission } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { VaultError } from '../error-response.ts'
import type { ObjectStore, ObjectVersion, VaultObject } from '../object-store.ts'
import type { VaultAnswer, VaultCall, VaultOperation } from '../operation.ts'
import { page } from '../paging.ts'
import { deletionOf, secretBundle, secretBundleWithoutValue, secretItem } from './bundle.ts'
import { parseRestoreSecret, parseSetSecret, parseUpdateSecret } from './validate.ts'

export interface Secret {
  value: string
  contentType?: string | undefined
}

export interface SecretOptions {
  secrets: ObjectStore<Secret>
  backups: BackupSeal
}

/** The operations on secrets. https://learn.microsoft.com/rest/api/keyvault/secrets */
export function secretOperations({ secrets, backups }: SecretOptions): VaultOperation[] {
  function living({ vault, name }: VaultCall): VaultObject<Secret> {
    return secrets.get(vault.uid, name) ?? notFound(name)
  }
  function deleted({ vault, name }: VaultCall): VaultObject<Secret> {
    const object = secrets.getDeleted(vault.uid, name)
    if (object !== undefined) return object
    throw new VaultError(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)
  }
  function versionOf(call: VaultCall): ObjectVersion<Secret> {
    const { versions } = living(call)
    const version = call.version === '' ? versions.at(-1) : versions.find((each) => each.version === call.version)
    return version ?? notFound(`${call.name}/${call.version}`)
  }
  function deletedBundle(call: VaultCall, object: VaultObject<Secret>): VaultAnswer {
    const { origin } = call.url
    return { body: { ...deletionOf(origin, object), ...secretBundleWithoutValue(origin, call.vault, latest(object)) } }
  }

  return [
    {
      operation: 'vault.secret.set',
      method: 'PUT',
      path: '/secrets/:name',
      permission: needs('set', 'setSecret'),
      async run(call) {
        const { value, contentType, tags, attributes } = parseSetSecret(await call.body())
        const version = secrets.add(call.vault.uid, call.name, {
          payload: { value, contentType: contentType ?? undefined },
          tags: tags ?? undefined,
          ...attributes,
        })
        return { body: secretBundle(call.url.origin, call.vault, version) }
      },
    },
    {
      operation: 'vault.secret.list',
      method: 'GET',
      path: '/secrets',
      permission: needs('list', 'readMetadata'),
      run({ vault, url }) {
        const render = (object: VaultObject<Secret>) => secretItem(url.origin, vault, latest(object))
        return { body: page(url, secrets.list(vault.uid), nameKey, render) }
      },
    },
    {
      operation: 'vault.secret.listVersions',
      method: 'GET',
      path: '/secrets/:name/versions',
      permission: needs('list', 'readMetadata'),
      run(call) {
        const { vault, url, name } = call
        const versions = (secrets.get(vault.uid, name)?.versions ?? []).toSorted((a, b) =>
          a.version < b.version ? -1 : 1,
        )
        const render = (version: ObjectVersion<Secret>) => secretBundleWithoutValue(url.origin, vault, version)
        return { body: page(url, versions, ({ version }) => version, render) }
      },
    },
    {
      operation: 'vault.secret.get',
      method: 'GET',
      path: '/secrets/:name/:version?',
      permission: needs('get', 'getSecret'),
      run(call) {
        const version = versionOf(call)
        if (!version.enabled) {
          throw new VaultError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', {
            innerCode: 'SecretDisabled',
          })
        }
        return { body: secretBundle(call.url.origin, call.vault, version) }
      },
    },
    {
      operation: 'vault.secret.update',
      method: 'PATCH',
      path: '/secrets/:name/:version?',
      permission: needs('set', 'update'),
      async run(call) {
        const { contentType, tags, attributes } = parseUpdateSecret(await call.body())
        const version = versionOf(call)
        const payload = { ...version.payload, ...(contentType != null && { contentType }) }
        const updated = secrets.update(version, { payload, tags: tags ?? undefined, ...attributes })
        return { body: secretBundleWithoutValue(call.url.origin, call.vault, updated) }
      },
    },
    {
      operation: 'vault.secret.delete',
      method: 'DELETE',
      path: '/secrets/:name',
      permission: needs('delete', 'delete'),
      run(call) {
        const days = call.vault.properties.softDeleteRetentionInDays
        return deletedBundle(call, secrets.delete(call.vault.uid, living(call), days))
      },
    },
    {
      operation: 'vault.deletedSecret.list',
      method: 'GET',
      path: '/deletedsecrets',
      permission: needs('list', 'readMetadata'),
      run({ vault, url }) {
        const render = (object: VaultObject<Secret>) => ({
          ...deletionOf(url.origin, object),
          ...secretItem(url.origin, vault, latest(object)),
        })
        return { body: page(url, secrets.listDeleted(vault.uid), nameKey, render) }
      },
    },
    {
      operation: 'vault.deletedSecret.get',
      method: 'GET',
      path: '/deletedsecrets/:name',
      permission: needs('get', 'readMetadata'),
      run: (call) => deletedBundle(call, deleted(call)),
    },
    {
      operation: 'vault.deletedSecret.recover',
      method: 'POST',
      path: '/deletedsecrets/:name/recover',
      permission: needs('recover', 'recover'),
      run(call) {
        const object = deleted(call)
        secrets.recover(call.vault.uid, object)
        return { body: secretBundleWithoutValue(call.url.origin, call.vault, latest(object)) }
      },
    },
    {
      operation: 'vault.deletedSecret.purge',
      method: 'DELETE',
      path: '/deletedsecrets/:name',
      permission: needs('purge', 'purge'),
      run(call) {
        const object = deleted(call)
        if (call.vault.properties.enablePurgeProtection === true) {
          throw new VaultError(
            403,
            'Forbidden',
            'Operation "purge" is not allowed because purge protection is enabled for this vault.',
            {
              innerCode: 'ForbiddenByPolicy',
            },
          )
        }
        secrets.purge(call.vault.uid, object)
        return { status: 204 }
      },
    },
    {
      operation: 'vault.secret.restore',
      method: 'POST',
      path: '/secrets/restore',
      permission: needs('restore', 'restore'),
      async run(call) {
        const { value } = parseRestoreSecret(await call.body())
        const restored = secrets.restore(call.vault.uid, backups.open<ObjectVersion<Secret>[]>('secret', value))
        return { body: secretBundleWithoutValue(call.url.origin, call.vault, restored) }
      },
    },
    {
      operation: 'vault.secret.backup',
      method: 'POST',
      path: '/secrets/:name/backup',
      permission: needs('backup', 'backup'),
      run: (call) => ({ body: { value: backups.seal('secret', living(call).versions) } }),
    },
  ]
}

function needs(policy: string, action: string): Permission {
  return { kind: 'secrets', policy, dataAction: `secrets/${action}/action` }
}

function nameKey({ name }: { name: string }): string {
  return name.toLowerCase()
}

function latest(object: VaultObject<Secret>): ObjectVersion<Secret> {
  return object.versions.at(-1) ?? notFound(object.name)
}

function notFound(nameOrId: string): never {
  throw new VaultError(
    404,
    'SecretNotFound',
    `A secret with (name/id) ${nameOrId} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
  )
}
