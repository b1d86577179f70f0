import { status as Code } from '@grpc/grpc-js'
import {
  type MountRequest,
  type MountResponse,
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
  /** Gives objects of a vault new values. */
  change(vault: string): void
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
  /** Time of the newest read, by node and vault. */
  const newestRead = new Map<string, number>()
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
  const answer = (node: string, request: VaultRequest): MountResponse => {
    const { identity, namespace, vault, objects, maxAgeMs } = request
    const age = random.chance(0.3) ? random.between(0, Math.min(sharedMs, maxAgeMs)) : 0
    // A provider never goes back behind what it has read.
    const readAt = Math.max(time.now - age, newestRead.get(`${node}/${vault}`) ?? 0)
    newestRead.set(`${node}/${vault}`, readAt)
    const versions = vaultOf(vault).history.findLast(({ since }) => since <= readAt)?.versions ?? initial()
    const content = render(vault, versions, objects)
    push(answers, identity, content)
    push(answersByNamespace, namespace, content)
    return {
      objectVersion: objects.map((id) => ({ id: `secret/${id}`, version: String(versions.get(id)) })),
      error: undefined,
      files: objects.map((path) => ({ path, mode: 0o644, contents: Buffer.from(content[path] ?? '') })),
    }
  }
  return vaultsOfWorld
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
  const maxAge = text(maxAgeAttribute)
  return {
    identity: uid,
    namespace,
    vault,
    objects: text('objects').split(','),
    maxAgeMs: maxAge === '' ? Number.POSITIVE_INFINITY : Number(maxAge),
  }
}

/** A provider acts for the service account of the token: it has access to the vault of the account's name. */
function readAccountRequest(world: World, request: MountRequest): VaultRequest {
  const text = attributesIn(request)
  const namespace = text('csi.storage.k8s.io/pod.namespace')
  const named = `${namespace}/${text('csi.storage.k8s.io/serviceAccount.name')}`
  const tokens = text('csi.storage.k8s.io/serviceAccount.tokens')
  const identity = /token-of-account:([^":]+)/.exec(tokens)?.[1] ?? ''
  if (identity !== named) world.violate(`a request for account ${named} has the tokens ${tokens}`)
  return { identity, namespace, vault: identity, objects: text('objects').split(','), maxAgeMs: 0 }
}

function call(
  world: World,
  process: SimulatedProcess,
  serve: () => Promise<MountResponse>,
  { signal, timeoutMs = 110_000 }: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined },
): Promise<MountResponse> {
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
