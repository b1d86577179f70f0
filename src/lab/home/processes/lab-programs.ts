import { join } from 'node:path'
import { z } from 'zod'
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
})

/** What the local Azure says of itself; files and addresses as in ARCHITECTURE.md, "Programs of the lab". */
export type LocalAzure = z.infer<typeof localAzureReady> & { pid: number }

export type LocalCluster = z.infer<typeof localClusterReady> & { pid: number }

export interface LocalAzureOptions {
  listen: string
  port: number
  imdsPort: number
  /** File with the CA of the cluster whose issuer it asks for keys; it may appear later. */
  issuerCa: string
}

export interface LocalClusterOptions {
  program: ClusterProgram
  /** Directory of its state. */
  directory: string
  port: number
  nodeName?: string | undefined
  /** Image names and the root file systems they stand for. */
  images: Readonly<Record<string, string>>
  syncFrequency: string | undefined
}

export function findLocalAzure(home: LabHome): LocalAzure | undefined {
  const running = findBackground(home, 'local-azure')
  return running === undefined ? undefined : { ...localAzureReady.parse(running.ready), pid: running.process.pid }
}

/** A cluster of the lab that runs; by default the one that `up` made. */
export function findLocalCluster(home: LabHome, program: ClusterProgram = 'local-cluster'): LocalCluster | undefined {
  const running = findBackground(home, program)
  return running === undefined ? undefined : { ...localClusterReady.parse(running.ready), pid: running.process.pid }
}

export async function startLocalAzure(
  home: LabHome,
  world: LabWorld,
  { listen, port, imdsPort, issuerCa }: LocalAzureOptions,
): Promise<LocalAzure> {
  const flags = [
    ['--state', home.azure],
    ['--listen', listen],
    ['--port', String(port)],
    ['--imds-port', String(imdsPort)],
    ['--issuer-ca', issuerCa],
    ['--clusters', home.root],
  ]
  const { ready, process } = await startProgram(home, world, {
    name: 'local-azure',
    title: 'the local Azure',
    flags: flags.flat(),
  })
  return { ...localAzureReady.parse(ready), pid: process.pid }
}

export async function startLocalCluster(
  home: LabHome,
  world: LabWorld,
  { program, directory, port, nodeName, images, syncFrequency }: LocalClusterOptions,
): Promise<LocalCluster> {
  const namespace = await openLabNamespace(home, { env: daemonEnv(world), signal: world.signal })
  const flags = [
    ['--state', directory],
    ['--port', String(port)],
    ...(nodeName === undefined ? [] : [['--node-name', nodeName]]),
    ...(syncFrequency === undefined ? [] : [['--sync-frequency', syncFrequency]]),
    ...Object.entries(images).map(([name, rootfs]) => ['--image', `${name}=${rootfs}`]),
  ]
  const { ready, process } = await startProgram(home, world, {
    name: program,
    entry: 'local-cluster',
    title: 'the local cluster',
    flags: flags.flat(),
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
  },
): Promise<Background> {
  const { name, entry = name, title, flags, prefix = [] } = program
  const file = join(world.packageRoot, 'src/bin', `${entry}.ts`)
  const node = [process.execPath, '--disable-warning=ExperimentalWarning']
  return startBackground({
    home,
    name,
    title,
    command: [...prefix, ...node, file, ...flags],
    env: daemonEnv(world),
    signal: world.signal,
  })
}

/**
 * The little of the user's environment that a background program needs. Proxy and certificate variables stay out: in a shell
 * that `keymount env` has set up they point at the lab itself.
 */
function daemonEnv({ env, cacheDirectory }: LabWorld): Record<string, string> {
  const kept = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'XDG_CACHE_HOME'] as const
  const values = kept.flatMap((name) => {
    const value = env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  // Compiled code of the TypeScript sources: the second start takes half the time of the first.
  return { ...Object.fromEntries(values), NODE_COMPILE_CACHE: join(cacheDirectory, 'compiled') }
}
