import { status as Code } from '@grpc/grpc-js'
import {
  type MountRequest,
  type MountResponse,
  maxAgeAttribute,
  type ProviderClient,
  ProviderError,
} from '#kubernetes/provider-protocol'
import { completeOnce } from './complete-once.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

/** The content of a volume: values by path of the file. */
export type Content = Readonly<Record<string, string>>

/**
 * One vault per namespace, whose values name their vault, object and version; and what providers answered, so that the
 * content of a volume can be checked against the answers to its own pod.
 */
export interface SimulatedVaults {
  /** Gives objects of a vault new values. */
  change(vault: string): void
  /** What a class that names these objects has to get now. */
  contentOf(vault: string, objects: readonly string[]): Content
  /** Every answer to a pod, by its uid. */
  answersTo(podUid: string): readonly Content[]
  /** Every answer to pods of a namespace. */
  answersIn(namespace: string): readonly Content[]
  /** The provider of a node, as the driver's process reaches it. */
  providerFor(node: string, process: SimulatedProcess): ProviderClient
}

export const objectNames = ['password', 'certificate', 'token'] as const

/** How long a provider shares what it read, unless it is asked for something newer. */
const sharedMs = 5000

interface Vault {
  versions: Map<string, number>
  /** Contents by when they began, newest last: reads may be as old as {@link sharedMs}. */
  history: { since: number; versions: Map<string, number> }[]
}

export function createVaults(world: World, namespaces: readonly string[]): SimulatedVaults {
  const { time, random } = world
  const initial = () => new Map<string, number>(objectNames.map((name) => [name, 1]))
  const vaults = new Map<string, Vault>(
    namespaces.map((name) => [name, { versions: initial(), history: [{ since: 0, versions: initial() }] }]),
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
    Object.fromEntries(objects.map((name) => [name, renderValue(world, vault, name, versions.get(name) ?? 0)]))
  const vaultsOfWorld: SimulatedVaults = {
    change(name) {
      const vault = vaultOf(name)
      const changed = objectNames.filter(() => random.chance(0.5))
      for (const object of changed) vault.versions.set(object, (vault.versions.get(object) ?? 0) + 1)
      vault.history.push({ since: time.now, versions: new Map(vault.versions) })
      world.count('vault change')
      world.note(`vault ${name} has new values of ${changed.join(', ') || 'nothing'}`)
    },
    contentOf: (name, objects) => render(name, vaultOf(name).versions, objects),
    answersTo: (podUid) => answers.get(podUid) ?? [],
    answersIn: (namespace) => answersByNamespace.get(namespace) ?? [],
    providerFor: (node, process) => ({
      mount: (_provider, request, options = {}) => {
        const serve = async () => answer(node, request)
        return call(world, process, serve, options)
      },
      version: () => Promise.reject(new Error('not in the simulation')),
      stop: () => undefined,
    }),
  }
  const answer = (node: string, request: MountRequest): MountResponse => {
    const { pod, vault, objects, maxAgeMs } = readRequest(world, request)
    const age = random.chance(0.3) ? random.between(0, Math.min(sharedMs, maxAgeMs)) : 0
    // A provider never goes back behind what it has read.
    const readAt = Math.max(time.now - age, newestRead.get(`${node}/${vault}`) ?? 0)
    newestRead.set(`${node}/${vault}`, readAt)
    const versions = vaultOf(vault).history.findLast(({ since }) => since <= readAt)?.versions ?? initial()
    const content = render(vault, versions, objects)
    push(answers, pod.uid, content)
    push(answersByNamespace, pod.namespace, content)
    return {
      objectVersion: objects.map((id) => ({ id: `secret/${id}`, version: String(versions.get(id)) })),
      error: undefined,
      files: objects.map((path) => ({ path, mode: 0o644, contents: Buffer.from(content[path] ?? '') })),
    }
  }
  return vaultsOfWorld
}

function push(map: Map<string, Content[]>, key: string, content: Content): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [content])
  else list.push(content)
}

function renderValue(world: World, vault: string, object: string, version: number): string {
  const value = `planted:${vault}:${object}:${version}`
  world.secrets.add('planted:')
  return value
}

/** A provider acts for the pod that the request names: its namespace decides which vault it may read. */
function readRequest(world: World, { attributes }: MountRequest) {
  const values = JSON.parse(attributes) as Record<string, string>
  const text = (name: string) => values[name] ?? ''
  const pod = {
    uid: text('csi.storage.k8s.io/pod.uid'),
    name: text('csi.storage.k8s.io/pod.name'),
    namespace: text('csi.storage.k8s.io/pod.namespace'),
  }
  const tokens = text('csi.storage.k8s.io/serviceAccount.tokens')
  if (!tokens.includes(`token-of-${pod.uid}-`)) world.violate(`a request for pod ${pod.name} has the tokens ${tokens}`)
  const vault = text('vault')
  if (vault !== pod.namespace) world.violate(`pod ${pod.namespace}/${pod.name} asks for the vault ${vault}`)
  const maxAge = text(maxAgeAttribute)
  return {
    pod,
    vault,
    objects: text('objects').split(','),
    maxAgeMs: maxAge === '' ? Number.POSITIVE_INFINITY : Number(maxAge),
  }
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
