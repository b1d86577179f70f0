import { readFileSync } from 'node:fs'
import { CliError, countOf } from '#terminal'
import { writeCaBundle } from './azure/ca-bundle.ts'
import { numberedPlaces } from './clusters/cluster-place.ts'
import type { LabCluster } from './clusters/lab-cluster.ts'
import { registerPrimary, startOthers } from './clusters/managed-clusters.ts'
import { readUserCluster } from './clusters/user-cluster-record.ts'
import { updateUserKubeconfig } from './clusters/user-kubeconfig.ts'
import { type BackgroundName, stopBackground } from './processes/background.ts'
import { findLocalAzure, findLocalCluster, type LocalAzure } from './processes/lab-programs.ts'
import { bringUpProduct, partsText, waitForInstalled } from './product/lab-product.ts'
import type { ProductStatus } from './product/product-status.ts'
import type { Session } from './session.ts'
import { startPrograms } from './start-programs.ts'
import { withHomeLock } from './state/home-lock.ts'
import { createLabHome, type LabHome } from './state/lab-home.ts'
import { nextState, type UpOptions } from './state/lab-settings.ts'
import { type LabState, readLabState, writeLabState } from './state/lab-state.ts'

/** A lab that is up. */
export interface Lab {
  home: LabHome
  state: LabState
  cluster: LabCluster
  /** Absent with the real Azure. */
  azure: LocalAzure | undefined
  product: ProductStatus
  /** Programs that had to be started; empty if the lab was up already. */
  started: readonly BackgroundName[]
}

/**
 * Starts what is not running, installs Keymount and waits until it works. Other `up` and `down` of this home wait meanwhile.
 * If a program cannot be started, those that this call started are stopped again.
 */
export async function bringUp(session: Session, options: UpOptions): Promise<Lab> {
  const { home } = session
  createLabHome(home)
  return withHomeLock(home, async () => {
    const before = readLabState(home)
    const requested = nextState(options, before)
    refuseChangesWhileUp(home, before, requested)
    const { cluster, azure, started } = await startPrograms(session, requested)
    const state = withTakenPorts(requested, cluster, azure)
    writeLabState(home, state)
    if (state.target.kind === 'local') updateUserKubeconfig(home, cluster.kubeconfig)
    if (azure !== undefined) writeCaBundle(home.caBundle, readFileSync(azure.ca, 'utf8'))
    const product = await bringUpClusters(session, { state, cluster, azure }).catch(async (error: unknown) => {
      // An interrupted `up` is undone; after a failure the cluster stays up, so that its pods can be examined.
      if (session.world.signal.aborted) for (const name of started) await stopBackground(home, name)
      throw error
    })
    return { home, state, cluster, azure, product, started }
  })
}

/** Settings that running programs were started with cannot change. */
function refuseChangesWhileUp(home: LabHome, before: LabState | undefined, requested: LabState): void {
  if (before === undefined) return
  const fixed = ({ target, azure, listen, ports, syncFrequency, podNetwork, offline }: LabState) =>
    JSON.stringify({ target, azure, listen, ports, syncFrequency, podNetwork, offline })
  if (fixed(before) === fixed(requested)) return
  if (findLocalAzure(home) === undefined && findLocalCluster(home) === undefined) return
  throw new CliError({
    what: `The lab in ${home.root} is up with other settings`,
    why: 'its cluster, ports, addresses, --pod-network and --offline cannot change while it is running',
    fix: [
      `stop it first: keymount down${home.option}`,
      'or start a second lab beside it: keymount up --home DIR --ports free',
    ],
  })
}

/** The state with the ports that the programs took where any free one would do. */
function withTakenPorts(state: LabState, cluster: LabCluster, azure: LocalAzure | undefined): LabState {
  const { shared, image } = cluster
  const portOf = (url: string) => Number(new URL(url).port)
  return {
    ...state,
    listen: shared === undefined ? cluster.addressForPods : state.listen,
    localImage: shared === undefined ? state.localImage : image,
    daemonPorts: shared?.ports ?? state.daemonPorts,
    ports: {
      cluster: shared === undefined ? state.ports.cluster : portOf(cluster.server),
      azure: azure === undefined ? state.ports.azure : portOf(azure.proxy),
      imds: azure === undefined ? state.ports.imds : portOf(azure.imds),
    },
  }
}

/**
 * Keymount in the lab's cluster, and the clusters that `az aks create` made. The local cluster is a managed cluster of the
 * local Azure, which installs Keymount as its add-on; in the user's cluster, or without a local Azure, it is installed here.
 */
async function bringUpClusters(
  session: Session,
  { state, cluster, azure }: Pick<Lab, 'state' | 'cluster' | 'azure'>,
): Promise<ProductStatus> {
  const userCluster = state.target.kind === 'kubeconfig' ? readUserCluster(session.home) : undefined
  if (azure === undefined || (state.target.kind === 'kubeconfig' && userCluster === undefined)) {
    return bringUpProduct(session, { state, cluster, azure })
  }
  if (userCluster !== undefined) {
    // Starting the managed cluster installs its add-on; without the add-on, Keymount is installed here.
    if (!userCluster.parts.includes('secrets-provider')) await bringUpProduct(session, { state, cluster, azure })
    await bringUpOthers(session, azure)
    return waitForInstalled(session, cluster)
  }
  const product = await session.terminal.step(
    'Keymount',
    async () => {
      await registerPrimary(session, azure, state)
      return waitForInstalled(session, cluster)
    },
    ({ pods }) => partsText(pods.length, state),
  )
  if (numberedPlaces(session.home).length > 0) await bringUpOthers(session, azure)
  return product
}

/** The clusters that `az aks create` made. The lab comes up even if one of them cannot be started. */
async function bringUpOthers(session: Session, azure: LocalAzure): Promise<void> {
  const { terminal } = session
  const others = await terminal.step(
    'Clusters',
    () => startOthers(session, azure),
    ({ started }) => `${countOf(started, 'cluster')} made by az aks create ${started === 1 ? 'is' : 'are'} running`,
  )
  for (const problem of others.failed) terminal.error(`keymount: ${problem}`)
}
