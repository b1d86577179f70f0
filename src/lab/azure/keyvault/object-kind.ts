import { Refusal } from '../http/refusal.ts'
import type { Change } from '../records/record-store.ts'
import type { ObjectStore, ObjectVersion, VaultObject } from './object-store.ts'
import type { VaultCall } from './operation.ts'
import type { Vault } from './vaults.ts'

/** Where secrets, keys and certificates differ. */
export interface ObjectKind<P> {
  noun: 'secret' | 'key' | 'certificate'
  store: ObjectStore<P>
  /** One version as JSON, without a secret's value. */
  bundle(origin: string, vault: Vault, version: ObjectVersion<P>): object
  /** An entry of a list. `withVersion`: whether its id ends with the version. */
  item(origin: string, vault: Vault, version: ObjectVersion<P>, withVersion: boolean): object
  /** Entries of a list that are not objects yet, by name. Default: none. */
  alsoListed?: ((origin: string, vault: Vault, query: URLSearchParams) => { name: string; item: object }[]) | undefined
  /** True for the key and the secret of a certificate, which can only be changed through the certificate. */
  isManaged(payload: P): boolean
  /** Objects of other kinds that are deleted, recovered and purged with this one: the key and secret of a certificate. */
  companions(vault: string, name: string): Companion[]
  /** The changes that restore the versions of `companions`, in the same order. */
  restoreCompanions(vault: string, versions: readonly ObjectVersion<unknown>[][]): Change[]
}

/** For kinds whose objects are single ones, or belong to a certificate as a whole. */
export const partOfCertificate = {
  isManaged: ({ managed }: { managed?: true | undefined }) => managed === true,
  companions: () => [],
  restoreCompanions: () => [],
}

/** An object of another kind that is deleted, recovered and purged in the same commit. */
export type Companion = Pick<ObjectStore<unknown>, 'delete' | 'recover' | 'purge'> & { object: VaultObject<unknown> }

export function liveObject<P>({ noun, store }: ObjectKind<P>, { vault, name }: VaultCall): VaultObject<P> {
  return store.get(vault.uid, name) ?? notFound(noun, name)
}

export function deletedObject<P>({ noun, store }: ObjectKind<P>, { vault, name }: VaultCall): VaultObject<P> {
  const object = store.getDeleted(vault.uid, name)
  if (object !== undefined) return object
  throw new Refusal(404, `${titleOf(noun)}NotFound`, `Deleted ${titleOf(noun)} not found: ${name}`)
}

/** The version in the path, or the latest. */
export function versionOf<P>(kind: ObjectKind<P>, call: VaultCall): ObjectVersion<P> {
  const { versions } = liveObject(kind, call)
  const version = call.version === '' ? versions.at(-1) : versions.find((each) => each.version === call.version)
  return version ?? notFound(kind.noun, `${call.name}/${call.version}`)
}

/** Refuses a change of an object that belongs to a certificate. */
export function refuseManaged<P>({ noun, isManaged }: ObjectKind<P>, { name, payload }: ObjectVersion<P>): void {
  if (!isManaged(payload)) return
  throw new Refusal(
    403,
    'Forbidden',
    `The ${noun} ${name} belongs to a certificate of the same name: the operation is allowed on the certificate only.`,
    { innerCode: `${titleOf(noun)}ManagedByKeyVault` },
  )
}

export function refuseDisabled<P>({ noun }: ObjectKind<P>, { enabled }: ObjectVersion<P>, operation: string): void {
  if (enabled) return
  throw new Refusal(403, 'Forbidden', `Operation ${operation} is not allowed on a disabled ${noun}.`, {
    innerCode: `${titleOf(noun)}Disabled`,
  })
}

export function latestOf<P>(object: VaultObject<P>): ObjectVersion<P> {
  const version = object.versions.at(-1)
  if (version === undefined) throw new Error(`${object.name} has no version`)
  return version
}

function titleOf(noun: string): string {
  return noun[0]?.toUpperCase() + noun.slice(1)
}

function notFound(noun: string, nameOrId: string): never {
  throw new Refusal(
    404,
    `${titleOf(noun)}NotFound`,
    `A ${noun} with (name/id) ${nameOrId} was not found in this key vault. If you recently deleted this ${noun} you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
  )
}
