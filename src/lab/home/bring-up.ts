import { readFileSync } from 'node:fs'
import { CliError } from '#terminal'
import { writeCaBundle } from './azure/ca-bundle.ts'
import { numberedPlaces } from './clusters/cluster-place.ts'
import type { LabCluster } from './clusters/lab-cluster.ts'
import { registerPrimary, startOthers } from './clusters/managed-clusters.ts'
import { readUserCluster } from './clusters/user-cluster-record.ts'
import { updateUserKubeconfig } from './clusters/user-kubeconfig.ts'
import { type BackgroundName, stopBackground } from './processes/background.ts'
import { findLocalAzure, findLocalCluster, type LocalAzure } from './processes/lab-programs.ts'
import { bringUpProduct, productOf } from './product/lab-product.ts'
import type { ProductStatus } from './product/product-status.ts'
import type { Session } from './session.ts'
import { startPrograms } from './start-programs.ts'
import { withHomeLock } from './state/home-lock.ts'
import { createLabHome, type LabHome } from './state/lab-home.ts'
import { type UpOptions, wantedState } from './state/lab-settings.ts'
import { type LabState, readLabState, writeLabState } from './state/lab-state.ts'

/** A lab that is up. */
export interface Lab {
  home: LabHome
  state: LabState
  cluster: LabCluster
  /** Absent with the real Azure. */
  azure: LocalAzure | undefined
  product: ProductStatus
  /** Programs that had to be started; empty when the lab was up already. */
  started: readonly BackgroundName[]
}

/**
 * Starts what does not run, installs the product and waits until it works. Nobody else changes this home meanwhile.
 * When a program cannot be started, those that this call started are stopped again.
 */
export async function bringUp(session: Session, options: UpOptions): Promise<Lab> {
  const { home } = session
  createLabHome(home)
  return withHomeLock(home, async () => {
    const before = readLabState(home)
    const wanted = wantedState(options, before)
    refuseChangesWhileUp(home, { before, wanted })
    const { cluster, azure, started } = await startPrograms(session, wanted)
    const state = settled(wanted, { cluster, azure })
    writeLabState(home, state)
    if (state.target.kind === 'local') updateUserKubeconfig(home, cluster.kubeconfig)
    if (azure !== undefined) writeCaBundle(home.caBundle, readFileSync(azure.ca, 'utf8'))
    const product = await bringUpClusters(session, { state, cluster, azure }).catch(async (error: unknown) => {
      // A user who stops `up` wants it undone; after a failure, the cluster stays for a look at its pods.
      if (session.world.signal.aborted) for (const name of started) await stopBackground(home, name)
      throw error
    })
    return { home, state, cluster, azure, product, started }
  })
}

/**
 * The product in the lab's cluster, and the clusters that `az aks create` made. A local cluster is a managed one of the
 * local Azure, which installs the product as its add-on; into the user's, or without a local Azure, it is installed from here.
 */
async function bringUpClusters(
  session: Session,
  { state, cluster, azure }: Pick<Lab, 'state' | 'cluster' | 'azure'>,
): Promise<ProductStatus> {
  const ofUser = state.target.kind === 'kubeconfig' ? readUserCluster(session.home) : undefined
  if (azure === undefined || (state.target.kind === 'kubeconfig' && ofUser === undefined)) {
    return bringUpProduct(session, { state, cluster, azure })
  }
  if (ofUser !== undefined) {
    // What the managed cluster asks for comes with its start; the product is there in any case.
    if (!ofUser.parts.includes('secrets-provider')) await bringUpProduct(session, { state, cluster, azure })
    await bringUpOthers(session, azure)
    return productOf(session, cluster)
  }
  const product = await session.terminal.step(
    'Keymount',
    async () => {
      await registerPrimary(session, azure, state)
      return productOf(session, cluster)
    },
    ({ pods }) => `driver and provider run (${pods.length} pods)`,
  )
  if (numberedPlaces(session.home).length > 0) await bringUpOthers(session, azure)
  return product
}

/** The clusters that `az aks create` made. One that cannot be started does not keep the lab from coming up. */
async function bringUpOthers(session: Session, azure: LocalAzure): Promise<void> {
  const { terminal } = session
  const others = await terminal.step(
    'Clusters',
    () => startOthers(session, azure),
    ({ started }) => `${started} made by az aks create run`,
  )
  for (const problem of others.failed) terminal.error(`keymount: ${problem}`)
}

/** What shapes a running program cannot change under it. */
function refuseChangesWhileUp(
  home: LabHome,
  { before, wanted }: { before: LabState | undefined; wanted: LabState },
): void {
  if (before === undefined) return
  const shape = ({ target, azure, listen, ports, syncFrequency }: LabState) =>
    JSON.stringify({ target, azure, listen, ports, syncFrequency })
  if (shape(before) === shape(wanted)) return
  if (findLocalAzure(home) === undefined && findLocalCluster(home) === undefined) return
  throw new CliError({
    what: `The lab in ${home.root} is up with other settings`,
    why: 'its cluster, ports and addresses cannot change while it runs',
    fix: ['first: keymount down', 'or start a second lab beside it: --home DIR --ports free'],
  })
}

/** The state with the ports that programs took where any would do. */
function settled(
  state: LabState,
  { cluster, azure }: { cluster: LabCluster; azure: LocalAzure | undefined },
): LabState {
  const portOf = (url: string) => Number(new URL(url).port)
  return {
    ...state,
    listen: cluster.addressForPods,
    ...(cluster.shared === undefined ? {} : { localImage: cluster.image, daemonPorts: cluster.shared.ports }),
    ports: {
      cluster: cluster.shared === undefined ? state.ports.cluster : portOf(cluster.server),
      azure: azure === undefined ? state.ports.azure : portOf(azure.proxy),
      imds: azure === undefined ? state.ports.imds : portOf(azure.imds),
    },
  }
}
