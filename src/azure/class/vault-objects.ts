import { findCloud } from '#azure/identity'
import { type Collection, vaultAddress } from '#azure/keyvault'
import { orUndefined, Problems } from '#lib'
import { defineTask } from '#lib/worker'
import type { ObjectType } from './object-spec.ts'
import { parseParameters } from './parse-parameters.ts'

/** Name of an object that stands for all of its collection: a class selects some of them, and not by their names alone. */
export const anyName = '*'

/** An object of a class by where it is. */
export interface VaultObject {
  /** In lower case. */
  vaultHost: string
  collection: Collection
  /** {@link anyName} for a selection. */
  name: string
  /** Empty for the current version. */
  version: string
}

const collections: Readonly<Record<ObjectType, Collection>> = { secret: 'secrets', key: 'keys', cert: 'certificates' }

/**
 * What the class of these parameters reads from which vault. Objects that the parser refuses are left out, and all of a class for
 * a cloud whose endpoints only the nodes know. Throws nothing.
 */
export function vaultObjects(parameters: ReadonlyMap<string, string>): VaultObject[] {
  const { values, objects, selects } = parseParameters(parameters, new Problems())
  const suffix = findCloud(values.cloudName)?.vaultSuffix
  if (suffix === undefined) return []
  const selected = selects.map(({ type, vaultName }) => ({ type, vaultName, name: anyName, version: '' }))
  return [...objects, ...selected].flatMap(({ type, name, version, vaultName = values.keyvaultName }) => {
    const vaultHost = hostOf(vaultName, suffix)
    return vaultHost === undefined ? [] : [{ vaultHost, collection: collections[type], name, version }]
  })
}

function hostOf(vaultName: string, suffix: string): string | undefined {
  return orUndefined(() => new URL(vaultAddress(vaultName, suffix).origin).host)
}

/** {@link vaultObjects} for a worker thread: the author of a class decides how long it takes. */
export const vaultObjectsTask = defineTask('vault-objects', vaultObjects)
