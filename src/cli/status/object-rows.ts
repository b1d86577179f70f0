import { statusAnnotations } from '#kubernetes/client'
import type { ClassFacts, ClusterObjects } from './cluster-objects.ts'
import type { ObjectRow, Tone } from './rows.ts'

/** What a vault has of an object, without its value. */
export interface VaultMetadata {
  newest: string
  /** RFC 3339; null if it has no end. */
  expires: string | null
  created: string | null
}

interface Use {
  vault: string
  object: string
  namespaces: Set<string>
  classes: Set<string>
  pods: number
  versions: Map<string, number>
  /** By version, the last change of a volume that has it. */
  newest: { version: string; at: string } | undefined
}

const tones: Readonly<Record<ObjectRow['state'], Tone>> = {
  same: 'good',
  mixed: 'warn',
  unread: 'quiet',
  behind: 'warn',
  expires: 'warn',
  expired: 'bad',
}

/** `VAULT/secret/NAME` */
export type VaultObjectKey = string

/** One row for each object of each vault that a class reads or a pod has mounted. */
export function objectRows(
  { mounts, classes }: ClusterObjects,
  nowMs: number,
  metadata: ReadonlyMap<VaultObjectKey, VaultMetadata> = new Map(),
): ObjectRow[] {
  const uses = new Map<VaultObjectKey, Use>()
  const useOf = (vault: string, object: string) => {
    const key = `${vault}/${object}`
    const found = uses.get(key) ?? newUse(vault, object)
    uses.set(key, found)
    return found
  }
  for (const facts of classes.values()) {
    for (const [object, vault] of facts.vaultOf) {
      if (!object.endsWith('/*')) addClass(useOf(vault, object), facts.namespace, facts.class)
    }
  }
  for (const { object: mount } of mounts.values()) {
    const { namespace = '', annotations = {} } = mount.metadata
    const className = mount.status?.secretProviderClassName ?? ''
    const facts = classes.get(`${namespace}/${className}`)
    const changedAt = annotations[statusAnnotations.lastChange] ?? ''
    for (const { id = '', version = '' } of mount.status?.objects ?? []) {
      if (id === '') continue
      const use = useOf(vaultOf(facts, id), id)
      addClass(use, namespace, className)
      use.pods += 1
      use.versions.set(version, (use.versions.get(version) ?? 0) + 1)
      if (use.newest === undefined || use.newest.at < changedAt) use.newest = { version, at: changedAt }
    }
  }
  return [...uses].map(([key, use]) => rowOf(key, use, nowMs, metadata.get(key)))
}

function newUse(vault: string, object: string): Use {
  return { vault, object, namespaces: new Set(), classes: new Set(), pods: 0, versions: new Map(), newest: undefined }
}

function addClass(use: Use, namespace: string, className: string): void {
  use.namespaces.add(namespace)
  use.classes.add(className)
}

/** A selection has one vault; its objects are not in the class by name. */
function vaultOf(facts: ClassFacts | undefined, id: string): string {
  if (facts === undefined) return ''
  const [type = ''] = id.split('/', 1)
  return facts.vaultOf.get(id) ?? facts.vaultOf.get(`${type}/*`) ?? facts.defaultVault
}

const soonMs = 14 * 86_400_000

function rowOf(key: string, use: Use, nowMs: number, known: VaultMetadata | undefined): ObjectRow {
  const versions = [...use.versions]
    .map(([version, pods]) => ({ version, pods }))
    .toSorted((a, b) => b.pods - a.pods)
    .slice(0, 20)
  const state = stateOf(use, nowMs, known)
  return {
    key,
    state,
    tone: tones[state],
    vault: use.vault,
    object: use.object,
    namespaces: [...use.namespaces].slice(0, 20),
    classes: [...use.classes].slice(0, 20),
    pods: use.pods,
    versions,
    newest: known?.newest ?? use.newest?.version ?? null,
    expires: known?.expires ?? null,
    lastChange: known?.created ?? (use.newest?.at || null),
  }
}

function stateOf(use: Use, nowMs: number, known: VaultMetadata | undefined): ObjectRow['state'] {
  const ends = known?.expires === null || known === undefined ? Number.POSITIVE_INFINITY : Date.parse(known.expires)
  if (ends < nowMs) return 'expired'
  if (ends < nowMs + soonMs) return 'expires'
  if (use.pods === 0) return 'unread'
  if (use.versions.size > 1) return 'mixed'
  return known !== undefined && !use.versions.has(known.newest) ? 'behind' : 'same'
}
