import { existsSync, rmSync } from 'node:fs'
import { createKubeClient, type KubeClient, KubeError, resources } from '#kubernetes/client'
import { errorMessage } from '#lib'
import type { CliWorld } from '#terminal'
import { CliError, createTerminal, exitCodes } from '#terminal'
import { KubeconfigError, readKubeconfig } from './clusters/real-cluster.ts'
import { readUserCluster } from './clusters/user-cluster-record.ts'
import { type BackgroundName, findBackground, startedPrograms, stopBackground } from './processes/background.ts'
import { mountsBelow } from './processes/lab-namespace.ts'
import { removeProduct } from './product/install-product.ts'
import { objectsToRemove } from './product/lab-product.ts'
import { driverName } from './product/product-status.ts'
import { webhookObjects } from './product/webhook-objects.ts'
import type { Session } from './session.ts'
import { withHomeLock } from './state/home-lock.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

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
  const wasUp = await takeDown({ home, world, terminal }, options)
  const before = wasUp ? 'is down' : 'was not up'
  if (options.deleteState === true) {
    rmSync(home.root, { recursive: true, force: true })
    terminal.line(`The lab ${before}; deleted ${home.root} with its vaults, identities, cluster objects and logs.`)
  } else {
    terminal.line(`The lab in ${home.root} ${before}; its state stays.`)
  }
  return exitCodes.ok
}

/**
 * Ends everything that the lab runs, in the order of {@link startedPrograms}, and takes the product out of a cluster that is the
 * user's. Tells whether there was anything to do.
 */
export async function takeDown(session: Session, options: DownOptions): Promise<boolean> {
  const { home } = session
  return withHomeLock(home, async () => {
    const state = stateIfReadable(session)
    const removed =
      state?.target.kind === 'kubeconfig' && (await removeFromCluster(session, state.target.path, options))
    const ran = await stopPrograms(session)
    // The local Azure may have been starting one more cluster.
    await stopPrograms(session)
    await closeNamespace(home)
    return removed || ran
  })
}

/** Whether any ran. */
async function stopPrograms(session: Session): Promise<boolean> {
  let ran = false
  for (const name of startedPrograms(session.home)) {
    if (name !== 'namespace' && (await stopProgram(session, name))) ran = true
  }
  return ran
}

function titleOf(name: BackgroundName): string {
  if (name === 'local-azure') return 'Local Azure'
  return name === 'local-cluster' ? 'Local cluster' : `Cluster ${name}`
}

/** Whether the program ran. */
async function stopProgram({ home, terminal }: Session, name: BackgroundName): Promise<boolean> {
  const ran = findBackground(home, name) !== undefined
  const stop = () => stopBackground(home, name)
  // One that has died has left the files that tell of it.
  await (ran ? terminal.step(titleOf(name), stop, howItEnded) : stop())
  return ran
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

/** Takes the product out of a cluster of the user's. Whether there was something to remove. */
export async function removeFromCluster(
  { home, world, terminal }: Session,
  kubeconfig: string,
  { force = false }: DownOptions,
): Promise<boolean> {
  try {
    const kube = createKubeClient(readKubeconfig(kubeconfig, world.env))
    const remove = async () => {
      if (!force) await refuseWhileMounted(kube)
      const withWebhook = readUserCluster(home)?.parts.includes('webhook') === true
      const webhook = withWebhook ? webhookObjects(world.packageRoot, { tenantId: '' }) : []
      return removeProduct(kube, [...objectsToRemove(world.packageRoot), ...webhook])
    }
    const describe = (count: number) =>
      `${count} objects removed from ${kube.server}; its CustomResourceDefinitions and your classes stay`
    return (await terminal.step('Keymount', remove, describe).finally(kube.close)) > 0
  } catch (error) {
    if (!isOutOfReach(error)) throw error
    if (force) return false
    throw new CliError({
      what: 'Keymount cannot be removed from the cluster, so the lab stays up',
      why: errorMessage(error),
      fix: ['bring the cluster back, and try again', 'or, if it is gone for good: keymount down --force'],
      cause: error,
    })
  }
}

/** No answer from the cluster, or no file that says where it is. */
function isOutOfReach(error: unknown): boolean {
  return error instanceof KubeError ? error.status === 0 : error instanceof KubeconfigError
}

/** Without the driver, kubelet cannot unmount: such pods would hang in Terminating. Throws {@link CliError} that names them. */
export async function refuseWhileMounted(kube: KubeClient): Promise<void> {
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
