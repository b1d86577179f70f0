import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createKubeClient, type KubeClient, loadKubeconfig, resources } from '../kube/index.ts'
import { errorMessage } from '../lib/index.ts'
import { type BackgroundName, findBackground, stopBackground } from './background.ts'
import { CliError, exitCodes } from './cli-error.ts'
import type { CliWorld } from './cli-world.ts'
import { withHomeLock } from './home-lock.ts'
import type { LabHome } from './lab-home.ts'
import { mountsBelow } from './lab-namespace.ts'
import { type LabState, readLabState } from './lab-state.ts'
import { removeProduct } from './product/install-product.ts'
import { productObjects, readManifests } from './product/product-objects.ts'
import { driverName } from './product/product-status.ts'
import type { Session } from './session.ts'
import { createTerminal } from './terminal.ts'

export interface DownOptions {
  deleteState?: boolean
  force?: boolean
}

export interface DownCommand {
  home: LabHome
  options: DownOptions
  world: CliWorld
}

export async function down({ home, options, world }: DownCommand): Promise<number> {
  const terminal = createTerminal(world)
  if (!existsSync(home.root)) {
    terminal.line(`There is no lab in ${home.root}.`)
    return exitCodes.ok
  }
  const stopped = await takeDown({ home, world, terminal }, options)
  const before = stopped.length === 0 ? 'was not up' : 'is down'
  if (options.deleteState === true) {
    rmSync(home.root, { recursive: true, force: true })
    terminal.line(`The lab ${before}; deleted ${home.root} with its vaults, identities, cluster objects and logs.`)
  } else {
    terminal.line(`The lab in ${home.root} ${before}; its state stays.`)
  }
  return exitCodes.ok
}

/**
 * Ends everything that the lab runs, and gives the names of what ran. The cluster goes first: its pods' volumes are taken
 * down while driver and Azure are still there.
 */
export async function takeDown(session: Session, options: DownOptions): Promise<BackgroundName[]> {
  const { home, world, terminal } = session
  return withHomeLock(home, async () => {
    const state = stateIfReadable(session)
    if (state?.target.kind === 'kubeconfig') await removeFromCluster(session, state.target.path, options)
    const stopped: BackgroundName[] = []
    const titles = { 'local-cluster': 'Local cluster', 'local-azure': 'Local Azure' } as const
    for (const name of ['local-cluster', 'local-azure'] as const) {
      if (findBackground(home, name) === undefined) {
        await stopBackground(home, name)
        continue
      }
      world.signal.throwIfAborted()
      await terminal.step(
        titles[name],
        () => stopBackground(home, name),
        (how) => howItEnded(how),
      )
      stopped.push(name)
    }
    await closeNamespace(home)
    return stopped
  })
}

function howItEnded(how: 'absent' | 'stopped' | 'killed'): string {
  return how === 'killed' ? 'did not stop in time and was killed' : 'stopped'
}

/** With the process that keeps it, the kernel takes down every mount of the lab. */
async function closeNamespace(home: LabHome): Promise<void> {
  await stopBackground(home, 'namespace', 1000)
  const left = mountsBelow(process.pid, home.root)
  if (left.length === 0) return
  throw new CliError({
    what: `${left.length} mounts are left below ${home.root}`,
    why: left.map(({ mountPoint }) => mountPoint).join(', '),
    fix: [`take them down: umount ${left.map(({ mountPoint }) => mountPoint).join(' ')}`],
  })
}

/** What runs can be stopped whatever the state file says. */
function stateIfReadable({ home, terminal }: Session): LabState | undefined {
  try {
    return readLabState(home)
  } catch (error) {
    terminal.error(`keymount: ${errorMessage(error)}; stopping what runs all the same`)
    return undefined
  }
}

async function removeFromCluster(
  { world, terminal }: Session,
  kubeconfig: string,
  { force }: DownOptions,
): Promise<void> {
  const kube = createKubeClient(loadKubeconfig(kubeconfig, { environment: { ...world.env } }))
  try {
    if (force !== true) await refuseWhileMounted(kube)
    const placeholder = { proxy: '', caPem: '', noProxy: [] }
    const objects = productObjects(readManifests(join(world.packageRoot, 'deploy')), {
      kubeletRoot: '/var/lib/kubelet',
      azure: placeholder,
    })
    await terminal.step(
      'Keymount',
      () => removeProduct(kube, objects),
      () => `removed from ${kube.server}; its CustomResourceDefinitions and your classes stay`,
    )
  } finally {
    kube.close()
  }
}

/** Without the driver, kubelet cannot unmount: such pods would hang in Terminating. */
async function refuseWhileMounted(kube: KubeClient): Promise<void> {
  const { items } = await kube.list(resources.pods)
  const users = items
    .filter(({ spec }) => spec.volumes?.some(({ csi }) => csi?.driver === driverName))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  if (users.length === 0) return
  throw new CliError({
    what: 'Keymount cannot be removed from the cluster while pods have its volumes mounted',
    why: users.join(', '),
    fix: ['delete these pods first', 'or, knowing that they will hang when they are deleted: keymount down --force'],
  })
}
