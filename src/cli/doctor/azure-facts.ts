import type { ObjectSpec, ObjectType } from '#azure/class'
import { isAzureNotFound } from '#azure/rest'
import { nearestName } from '#lib'
import { forEachLimited } from '#lib/async'
import { type Answer, attempt } from '../answer.ts'
import type { AzureSession } from '../identity/azure-session.ts'

/** What a vault shows of one object without its value. */
export interface ObjectFacts {
  vaultName: string
  className: string
  object: Pick<ObjectSpec, 'type' | 'name' | 'version' | 'optional'>
  versions: Answer<readonly ObjectVersion[]>
  /** Whether it was deleted and can be recovered; looked up only where it is missing. */
  isDeleted: boolean
  /** A name of the vault that may have been meant; looked up only where it is missing. */
  near: string | undefined
}

export interface ObjectVersion {
  /** Ends with the name of the version. */
  id: string
  attributes?: { enabled?: boolean; exp?: number; nbf?: number; created?: number }
}

export const collections: Readonly<Record<ObjectType, string>> = {
  secret: 'secrets',
  key: 'keys',
  cert: 'certificates',
}

const apiVersion = '7.4'

/** Classes are a tenant's: more objects than this are not looked up. */
const maxObjects = 100

export interface WantedObject {
  vaultName: string
  className: string
  object: ObjectFacts['object']
}

/** Metadata of each object, as the caller may list it: never a value. */
export async function gatherObjects(azure: AzureSession, wanted: readonly WantedObject[]): Promise<ObjectFacts[]> {
  const found: ObjectFacts[] = []
  await forEachLimited(wanted.slice(0, maxObjects), 8, async (one) => {
    found.push(await gatherObject(azure, one))
  })
  return found
}

async function gatherObject(azure: AzureSession, wanted: WantedObject): Promise<ObjectFacts> {
  const { vaultName, object } = wanted
  const { vaultResource } = azure.cloud
  const vault = azure.service(new URL(`https://${vaultName}.${new URL(vaultResource).hostname}`), vaultResource)
  const collection = collections[object.type]
  const path = `/${collection}/${encodeURIComponent(object.name)}/versions`
  const versions = await attempt(() => orNone(vault.list<ObjectVersion>(path, { apiVersion })))
  if ('why' in versions || versions.value.length > 0) return { ...wanted, versions, isDeleted: false, near: undefined }
  const [deleted, all] = await Promise.all([
    attempt(() => vault.find(`/deleted${collection}/${encodeURIComponent(object.name)}`, { apiVersion })),
    attempt(() => vault.list<{ id?: string; kid?: string }>(`/${collection}`, { apiVersion })),
  ])
  const names = 'value' in all ? all.value.flatMap(({ id, kid }) => (id ?? kid ?? '').split('/').at(-1) ?? []) : []
  return {
    ...wanted,
    versions,
    isDeleted: 'value' in deleted && deleted.value !== undefined,
    near: nearestName(object.name, names),
  }
}

async function orNone<T>(list: Promise<T[]>): Promise<T[]> {
  try {
    return await list
  } catch (error) {
    if (isAzureNotFound(error)) return []
    throw error
  }
}
