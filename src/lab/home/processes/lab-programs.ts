import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { z } from 'zod'
import { originalEnvironment } from '../original-environment.ts'
import type { LabWorld } from '../session.ts'
import type { LabHome } from '../state/lab-home.ts'
import {
  type Background,
  type BackgroundName,
  type ClusterProgram,
  findBackground,
  startBackground,
} from './background.ts'
import { insideNamespace, openLabNamespace } from './lab-namespace.ts'

const localAzureReady = z.object({
  proxy: z.string(),
  imds: z.string(),
  ca: z.string(),
  credentials: z.string(),
  control: z.string(),
})

const localClusterReady = z.object({
  server: z.string(),
  kubeconfig: z.string(),
  ca: z.string(),
  issuer: z.string(),
  kubeletRoot: z.string(),
  tokenProxyName: z.string().optional(),
  machineAddress: z.string().optional(),
  podNetworkProblem: z.string().optional(),
})

/** The ready line of the local Azure: its files and addresses, as in ARCHITECTURE.md, "Programs of the lab". */
export type LocalAzure = z.infer<typeof localAzureReady> & { pid: number }

export type LocalCluster = z.infer<typeof localClusterReady> & { pid: number }

export interface LocalAzureOptions {
  listen: string
  port: number
  imdsPort: number
  /** File with the CA of the cluster whose issuer's keys it reads; the file may appear later. */
  issuerCa: string
  /** Refuses connections to hosts that it does not serve. */
  offline: boolean
}

export interface LocalClusterOptions {
  program: ClusterProgram
  /** Directory of its state. */
  directory: string
  port: number
  nodeName?: string | undefined
  /** Root file systems, by image name. */
  images: Readonly<Record<string, string>>
  /** Directory that lies over every image. */
  imageOverlay: string
  syncFrequency: string | undefined
  /** Whether pods get networks of their own, where the machine allows it. */
  podNetwork: boolean
}

export function findLocalAzure(home: LabHome): LocalAzure | undefined {
  const running = findBackground(home, 'local-azure')
  return running === undefined ? undefined : { ...localAzureReady.parse(running.ready), pid: running.process.pid }
}

/** A running cluster of the lab; by default the one that `up` created. */
export function findLocalCluster(home: LabHome, program: ClusterProgram = 'local-cluster'): LocalCluster | undefined {
  const running = findBackground(home, program)
  return running === undefined ? undefined : { ...localClusterReady.parse(running.ready), pid: running.process.pid }
}

/** What the network of a local cluster's pods is, and why it is not what `up` was asked for. */
export function networkOf({ machineAddress, podNetworkProblem }: LocalCluster): string {
  if (machineAddress !== undefined) return 'pods have networks of their own'
  const why = podNetworkProblem === undefined ? '' : `, because they cannot have their own here: ${podNetworkProblem}`
  return `pods share the machine's network${why}`
}

export async function startLocalAzure(
  home: LabHome,
  world: LabWorld,
  { listen, port, imdsPort, issuerCa, offline }: LocalAzureOptions,
): Promise<LocalAzure> {
  const flags = [
    ...['--state', home.azure, '--clusters', home.root, '--issuer-ca', issuerCa],
    ...['--listen', listen, '--port', String(port), '--imds-port', String(imdsPort)],
    ...(offline ? ['--offline'] : []),
  ]
  const { ready, process } = await startProgram(home, world, {
    name: 'local-azure',
    title: 'the local Azure',
    flags,
    env: machineProxyEnv(world),
  })
  return { ...localAzureReady.parse(ready), pid: process.pid }
}

export async function startLocalCluster(
  home: LabHome,
  world: LabWorld,
  { program, directory, port, nodeName, images, imageOverlay, syncFrequency, podNetwork }: LocalClusterOptions,
): Promise<LocalCluster> {
  const namespace = await openLabNamespace(home, { env: daemonEnv(world), signal: world.signal })
  const flags = ['--state', directory, '--port', String(port), '--image-overlay', imageOverlay]
  flags.push('--azure-control', join(home.azure, 'control.sock'))
  if (nodeName !== undefined) flags.push('--node-name', nodeName)
  if (podNetwork) flags.push('--pod-network')
  if (syncFrequency !== undefined) flags.push('--sync-frequency', syncFrequency)
  for (const [name, rootfs] of Object.entries(images)) flags.push('--image', `${name}=${rootfs}`)
  const { ready, process } = await startProgram(home, world, {
    name: program,
    entry: 'local-cluster',
    title: 'the local cluster',
    flags,
    prefix: insideNamespace(namespace),
  })
  return { ...localClusterReady.parse(ready), pid: process.pid }
}

function startProgram(
  home: LabHome,
  world: LabWorld,
  program: {
    name: BackgroundName
    /** The program's file. Default: the name. */
    entry?: string
    title: string
    flags: readonly string[]
    prefix?: readonly string[]
    /** In addition to {@link daemonEnv}. */
    env?: Record<string, string>
  },
): Promise<Background> {
  const { name, entry = name, title, flags, prefix = [], env = {} } = program
  const file = join(world.packageRoot, 'src/bin', `${entry}.ts`)
  const node = [process.execPath, '--disable-warning=ExperimentalWarning']
  // What this process has compiled need not be compiled by the program, which has many files in common with it.
  flushCompileCache()
  return startBackground({
    home,
    name,
    title,
    command: [...prefix, ...node, file, ...flags],
    env: { ...daemonEnv(world), ...env },
    signal: world.signal,
  })
}

/** Variables of the user that a background program inherits. */
const inherited = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'XDG_CACHE_HOME'] as const

/**
 * The environment of a background program. Proxy and certificate variables are not inherited: in a shell that has run
 * `eval "$(keymount env)"` they point at the lab itself.
 */
function daemonEnv({ env, cacheDirectory }: LabWorld): Record<string, string> {
  // With a cache of compiled code, the second start takes half the time of the first.
  const variables: Record<string, string> = { NODE_COMPILE_CACHE: join(cacheDirectory, 'compiled') }
  for (const name of inherited) {
    const value = env[name]
    if (value !== undefined) variables[name] = value
  }
  return variables
}

/**
 * The machine's own proxy, through which the local Azure forwards connections to hosts that it does not serve. In a shell
 * that has run `eval "$(keymount env)"` the variables name the lab, and the user's own are saved beside them.
 */
function machineProxyEnv(world: LabWorld): Record<string, string> {
  const env = originalEnvironment(world.env)
  const names = ['https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
}
