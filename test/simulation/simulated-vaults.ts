import { status as Code } from '@grpc/grpc-js'
import { everyObject } from '#kubernetes/client'
import {
  changedAttribute,
  type MountAnswer,
  type MountRequest,
  maxAgeAttribute,
  type ProviderClient,
  ProviderError,
} from '#kubernetes/provider-protocol'
import { completeOnce } from './complete-once.ts'
import { certificateFor } from './simulated-certificates.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

/** Values by path of the file, or by key of the Secret. */
export type Content = Readonly<Record<string, string>>

/**
 * One vault per namespace or service account, whose values name their vault, object and version; and what providers answered,
 * so that the content of a volume or a Secret can be checked against the answers to its own identity.
 */
export interface SimulatedVaults {
  /** Gives objects of a vault new values. @returns the objects. */
  change(vault: string): readonly string[]
  /** For so long, a new pod gets what the provider of its node has read before, and other requests fail. */
  cut(vault: string, ms: number): void
  /** What a class that names these objects has to get now. */
  contentOf(vault: string, objects: readonly string[]): Content
  /** `secret/OBJECT:VERSION` of each of these objects. */
  versionsOf(vault: string, objects: readonly string[]): string[]
  /** Every answer to an identity: the uid of a pod, or `namespace/name` of a service account. */
  answersTo(identity: string): readonly Content[]
  /** Every answer to pods of a namespace. */
  answersIn(namespace: string): readonly Content[]
  /** The provider of a node, as the driver's process reaches it. */
  providerFor(node: string, process: SimulatedProcess): ProviderClient
  /** A provider that acts for service accounts, each of which has a vault of its name. */
  providerForAccounts(process: SimulatedProcess): ProviderClient
}

export const objectNames = ['password', 'certificate', 'token'] as const

/** With the content of a `kubernetes.io/dockerconfigjson` Secret. */
export const typedObjectNames = [...objectNames, 'registry'] as const

/** How long a provider shares what it read, unless it is asked for something newer. */
const sharedMs = 5000

interface Vault {
  versions: Map<string, number>
  /** Contents by when they began, newest last: reads may be as old as {@link sharedMs}. */
  history: { since: number; versions: Map<string, number> }[]
}

export function createVaults(
  world: World,
  names: readonly string[],
  objects: readonly string[] = objectNames,
): SimulatedVaults {
  const { time, random } = world
  const initial = () => new Map<string, number>(objects.map((name) => [name, 1]))
  const vaults = new Map<string, Vault>(
    names.map((name) => [name, { versions: initial(), history: [{ since: 0, versions: initial() }] }]),
  )
  const answers = new Map<string, Content[]>()
  const answersByNamespace = new Map<string, Content[]>()
  /** Time of the newest read, by node, vault and object. */
  const newestRead = new Map<string, number>()
  const cutUntil = new Map<string, number>()
  const vaultOf = (name: string): Vault => {
    const vault = vaults.get(name)
    if (vault === undefined) throw new Error(`no vault ${name}`)
    return vault
  }
  const render = (vault: string, versions: Map<string, number>, objects: readonly string[]): Content =>
    Object.fromEntries(
      objects.map((name) => [name, renderValue(world, names.indexOf(vault), vault, name, versions.get(name) ?? 0)]),
    )
  const vaultsOfWorld: SimulatedVaults = {
    change(name) {
      const vault = vaultOf(name)
      const changed = objects.filter(() => random.chance(0.5))
      for (const object of changed) vault.versions.set(object, (vault.versions.get(object) ?? 0) + 1)
      vault.history.push({ since: time.now, versions: new Map(vault.versions) })
      world.count('vault change')
      world.note(`vault ${name} has new values of ${changed.join(', ') || 'nothing'}`)
      return changed
    },
    cut(name, ms) {
      cutUntil.set(name, time.now + ms)
      world.count('vault cut')
      world.note(`vault ${name} cannot be reached for ${Math.round(ms)} ms`)
    },
    contentOf: (name, objects) => render(name, vaultOf(name).versions, objects),
    versionsOf: (name, ids) => ids.map((id) => `secret/${id}:${vaultOf(name).versions.get(id)}`),
    answersTo: (identity) => answers.get(identity) ?? [],
    answersIn: (namespace) => answersByNamespace.get(namespace) ?? [],
    providerFor: (node, process) => ({
      mount: (_provider, request, options = {}) => {
        const serve = async () => answer(node, readRequest(world, request))
        return call(world, process, serve, options)
      },
      ...withoutVersion,
    }),
    providerForAccounts: (process) => ({
      mount: (_provider, request, options = {}) => {
        const serve = async () => answer('sync', readAccountRequest(world, request))
        return call(world, process, serve, options)
      },
      ...withoutVersion,
    }),
  }
  /** When each object was read that an answer has. A provider never goes back behind what it has read. */
  const readTimes = (node: string, request: VaultRequest): Map<string, number> => {
    const { vault, objects, maxAgeMs, changed } = request
    const age = random.chance(0.3) ? random.between(0, Math.min(sharedMs, maxAgeMs)) : 0
    const isCut = time.now < (cutUntil.get(vault) ?? 0)
    const timeOf = (object: string): [string, number] => {
      const before = newestRead.get(`${node}/${vault}/${object}`)
      if (isCut) {
        if (before === undefined || !request.isNew) throw unreachable(vault)
        return [object, before]
      }
      if (changed === undefined) return [object, Math.max(time.now - age, before ?? 0)]
      // Whatever has not changed may be as old as the interval.
      const isListed = changed.some((id) => id === everyObject || id.includes(`/${object}/`))
      return [object, isListed ? time.now : (before ?? time.now)]
    }
    return new Map(objects.map(timeOf))
  }
  const answer = (node: string, request: VaultRequest): MountAnswer => {
    const { identity, namespace, vault, objects } = request
    const times = readTimes(node, request)
    const versionAt = (object: string, at: number) =>
      (vaultOf(vault).history.findLast(({ since }) => since <= at)?.versions ?? initial()).get(object) ?? 0
    const versions = new Map([...times].map(([object, at]) => [object, versionAt(object, at)]))
    for (const [object, at] of times) newestRead.set(`${node}/${vault}/${object}`, at)
    const content = render(vault, versions, objects)
    const isStale = time.now < (cutUntil.get(vault) ?? 0)
    push(answers, identity, content)
    push(answersByNamespace, namespace, content)
    return {
      objectVersion: objects.map((id) => ({ id: `secret/${id}`, version: String(versions.get(id)) })),
      error: undefined,
      files: objects.map((path) => ({ path, mode: 0o644, contents: Buffer.from(content[path] ?? '') })),
      vaults: [`${vault}.vault.azure.net`],
      // In each other minute, so that changes meet nodes with and without a token.
      heldToken: Math.floor(time.now / 60_000) % 2 === 0 ? { identity, ms: 30_000 } : undefined,
      stale: isStale ? { since: epoch + Math.min(...times.values()), reason: unreachable(vault).message } : undefined,
    }
  }
  return vaultsOfWorld
}

/** The time of the vaults' own clocks at the begin. */
const epoch = Date.parse('2026-11-28T00:00:00Z')

function unreachable(vault: string): ProviderError {
  return new ProviderError('rpc', Code.UNAVAILABLE, `[vault-timeout] vault ${vault} does not answer`)
}

const withoutVersion = {
  version: () => Promise.reject(new Error('not in the simulation')),
  stop: () => undefined,
}

function push(map: Map<string, Content[]>, key: string, content: Content): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [content])
  else list.push(content)
}

function renderValue(world: World, number: number, vault: string, object: string, version: number): string {
  const value = `planted:${vault}:${object}:${version}`
  world.secrets.add('planted:')
  if (object === 'certificate' && number >= 0) return certificateFor(number, version).pem
  return object === 'registry' ? JSON.stringify({ auths: { [value]: { auth: 'eDp4' } } }) : value
}

interface VaultRequest {
  identity: string
  namespace: string
  vault: string
  objects: readonly string[]
  maxAgeMs: number
  /** Of the attribute; undefined without it. */
  changed: readonly string[] | undefined
  /** Whether the volume or Secret holds nothing yet. */
  isNew: boolean
}

const attributesIn = ({ attributes }: MountRequest) => {
  const values = JSON.parse(attributes) as Record<string, string>
  return (name: string) => values[name] ?? ''
}

/** A provider acts for the pod that the request names: its namespace decides which vault it may read. */
function readRequest(world: World, request: MountRequest): VaultRequest {
  const text = attributesIn(request)
  const uid = text('csi.storage.k8s.io/pod.uid')
  const name = text('csi.storage.k8s.io/pod.name')
  const namespace = text('csi.storage.k8s.io/pod.namespace')
  const tokens = text('csi.storage.k8s.io/serviceAccount.tokens')
  if (!tokens.includes(`token-of-${uid}-`)) world.violate(`a request for pod ${name} has the tokens ${tokens}`)
  const vault = text('vault')
  if (vault !== namespace) world.violate(`pod ${namespace}/${name} asks for the vault ${vault}`)
  return {
    identity: uid,
    namespace,
    vault,
    objects: text('objects').split(','),
    maxAgeMs: ageIn(text),
    changed: text(changedAttribute) === '' ? undefined : (JSON.parse(text(changedAttribute)) as string[]),
    isNew: request.currentObjectVersion.length === 0,
  }
}

function ageIn(text: (name: string) => string): number {
  const maxAge = text(maxAgeAttribute)
  return maxAge === '' ? Number.POSITIVE_INFINITY : Number(maxAge)
}

/** A provider acts for the service account of the token: it has access to the vault of the account's name. */
function readAccountRequest(world: World, request: MountRequest): VaultRequest {
  const text = attributesIn(request)
  const namespace = text('csi.storage.k8s.io/pod.namespace')
  const named = `${namespace}/${text('csi.storage.k8s.io/serviceAccount.name')}`
  const tokens = text('csi.storage.k8s.io/serviceAccount.tokens')
  const identity = /token-of-account:([^":]+)/.exec(tokens)?.[1] ?? ''
  if (identity !== named) world.violate(`a request for account ${named} has the tokens ${tokens}`)
  const objects = text('objects').split(',')
  const isNew = request.currentObjectVersion.length === 0
  return { identity, namespace, vault: identity, objects, maxAgeMs: ageIn(text), changed: undefined, isNew }
}

function call(
  world: World,
  process: SimulatedProcess,
  serve: () => Promise<MountAnswer>,
  { signal, timeoutMs = 110_000 }: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined },
): Promise<MountAnswer> {
  const { random, stormy } = world
  const fail = (code: Code, text: string) => new ProviderError('rpc', code, text)
  const late = () => fail(Code.DEADLINE_EXCEEDED, 'the provider gave no answer in time')
  return completeOnce({ world, process, signal, timeoutMs, late }, ({ resolve, reject }) => {
    const fate = stormy && random.chance(0.08) ? random.pick(['hangs', 'fails', 'lost']) : 'answers'
    if (fate !== 'answers') world.count(`provider ${fate}`)
    if (fate === 'hangs') return
    process
      .effect(
        'a provider call',
        stormy && random.chance(0.05) ? random.between(500, 40_000) : random.between(5, 200),
        serve,
      )
      .then((answer) => {
        if (fate === 'lost') return
        if (fate === 'fails') return reject(fail(Code.UNAVAILABLE, 'the vault is not reached'))
        resolve(answer)
      }, reject)
  })
}
