import type { Clock } from '#lib'
import type { CertificateStores } from '../keyvault/certificates/certificate-kind.ts'
import type { ObjectVersion } from '../keyvault/object-store.ts'
import type { Vault, Vaults } from '../keyvault/vaults.ts'
import type { EventFeed } from './event-feed.ts'

/** https://learn.microsoft.com/azure/event-grid/event-schema-key-vault */
export type VaultEventKind = 'NewVersionCreated' | 'NearExpiry' | 'Expired'
export type ObjectNoun = 'Secret' | 'Key' | 'Certificate'

export interface VaultEvents {
  /** Publishes an event about a version of an object. Does nothing for a deleted vault. */
  publish(noun: ObjectNoun, kind: VaultEventKind, version: ObjectVersion<unknown>): void
}

export interface VaultEventsOptions {
  feed: EventFeed
  vaults: Vaults
  stores: CertificateStores
  /** DNS suffix of the vaults: `vault.azure.net`. */
  vaultSuffix: string
  clock: Clock
}

/** The events of all vaults. New versions and changed access policies are published automatically, once they are durable. */
export function createVaultEvents({ feed, vaults, stores, vaultSuffix, clock }: VaultEventsOptions): VaultEvents {
  const eventTime = () => new Date(clock.now()).toISOString()

  function publish(noun: ObjectNoun, kind: VaultEventKind, version: ObjectVersion<unknown>): void {
    const vault = vaults.byUid(version.vault)
    if (vault === undefined) return
    const { name } = version
    const id = `https://${vault.name.toLowerCase()}.${vaultSuffix}/${noun.toLowerCase()}s/${name}/${version.version}`
    feed.publish({
      topic: vault.id,
      subject: name,
      eventType: `Microsoft.KeyVault.${noun}${kind}`,
      eventTime: eventTime(),
      data: {
        Id: id,
        VaultName: vault.name,
        ObjectType: noun,
        ObjectName: name,
        Version: version.version,
        NBF: version.nbf ?? null,
        EXP: version.exp ?? null,
      },
    })
  }

  function publishPolicies(vault: Vault): void {
    const { id, name } = vault
    feed.publish({
      topic: id,
      subject: name,
      eventType: 'Microsoft.KeyVault.VaultAccessPolicyChanged',
      eventTime: eventTime(),
      data: { VaultName: name, ObjectType: 'Vault', ObjectName: name },
    })
  }

  const onNew = (noun: ObjectNoun) => (version: ObjectVersion<unknown>, isNew: boolean) => {
    if (isNew) publish(noun, 'NewVersionCreated', version)
  }
  stores.secrets.onVersion(onNew('Secret'))
  stores.keys.onVersion(onNew('Key'))
  stores.certificates.onVersion(onNew('Certificate'))
  vaults.onPoliciesChanged(publishPolicies)
  return { publish }
}
