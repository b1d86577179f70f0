import type { ObjectSpec, ObjectType } from '#azure/class'
import { type AzureService, isAzureNotFound } from '#azure/rest'
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

/** Types of object that a vault has under a name, as far as the caller may list them. */
export async function typesNamed(azure: AzureSession, vaultName: string, name: string): Promise<ObjectType[]> {
  const vault = vaultOf(azure, vaultName)
  const types = Object.keys(collections) as ObjectType[]
  const found = await Promise.all(types.map((type) => attempt(() => versionsOf(vault, { type, name }))))
  return types.filter((_, index) => {
    const versions = found[index]
    return versions !== undefined && 'value' in versions && versions.value.length > 0
  })
}

function vaultOf(azure: AzureSession, vaultName: string): AzureService {
  const { vaultResource } = azure.cloud
  return azure.service(new URL(`https://${vaultName}.${new URL(vaultResource).hostname}`), vaultResource)
}

/** None for an object that does not exist. */
function versionsOf(vault: AzureService, { type, name }: Pick<ObjectSpec, 'type' | 'name'>): Promise<ObjectVersion[]> {
  const path = `/${collections[type]}/${encodeURIComponent(name)}/versions`
  return orNone(vault.list<ObjectVersion>(path, { apiVersion }))
}

async function gatherObject(azure: AzureSession, wanted: WantedObject): Promise<ObjectFacts> {
  const { vaultName, object } = wanted
  const vault = vaultOf(azure, vaultName)
  const collection = collections[object.type]
  const versions = await attempt(() => versionsOf(vault, object))
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
