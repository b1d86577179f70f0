import { readFileSync } from 'node:fs'
import { type BackgroundName, stopBackground } from './background.ts'
import { CliError } from './cli-error.ts'
import { withHomeLock } from './home-lock.ts'
import type { LabCluster } from './lab-cluster.ts'
import { createLabHome, type LabHome } from './lab-home.ts'
import { bringUpProduct } from './lab-product.ts'
import { findLocalAzure, findLocalCluster, type LocalAzure } from './lab-programs.ts'
import { type UpOptions, wantedState } from './lab-settings.ts'
import { type LabState, readLabState, writeLabState } from './lab-state.ts'
import type { ProductStatus } from './product/product-status.ts'
import type { Session } from './session.ts'
import { startPrograms } from './start-programs.ts'
import { writeCaBundle } from './trust.ts'

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
    if (azure !== undefined) writeCaBundle(home.caBundle, readFileSync(azure.ca, 'utf8'))
    const product = await bringUpProduct(session, { state, cluster, azure }).catch(async (error: unknown) => {
      // A user who stops `up` wants it undone; after a failure, the cluster stays for a look at its pods.
      if (session.world.signal.aborted) for (const name of started) await stopBackground(home, name)
      throw error
    })
    return { home, state, cluster, azure, product, started }
  })
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
