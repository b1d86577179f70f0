import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKubeClient, type UntypedObject } from '../kube/index.ts'
import { type BackgroundName, findBackground, stopBackground, stopOrder } from './background.ts'
import { CliError } from './cli-error.ts'
import { embeddedCluster } from './embedded-cluster.ts'
import { withHomeLock } from './home-lock.ts'
import type { LabCluster } from './lab-cluster.ts'
import { createLabHome, type LabHome } from './lab-home.ts'
import { findLocalAzure, findLocalCluster, type LocalAzure, startLocalAzure } from './lab-programs.ts'
import { type UpOptions, wantedState } from './lab-settings.ts'
import { type LabState, readLabState, writeLabState } from './lab-state.ts'
import { assertPortFree } from './ports.ts'
import { installProduct } from './product/install-product.ts'
import { productObjects, readManifests } from './product/product-objects.ts'
import { type ProductStatus, waitForProduct } from './product/product-status.ts'
import { realCluster } from './real-cluster.ts'
import type { Session } from './session.ts'
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
    const product = await productOf(session, { state, cluster, azure }).catch(async (error: unknown) => {
      // A user who stops `up` wants it undone; after a failure, the cluster stays for a look at its pods.
      if (session.world.signal.aborted) await stopAll(home, started)
      throw error
    })
    return { home, state, cluster, azure, product, started }
  })
}

/** Cluster and Azure start side by side; which keys Azure trusts is a file that the cluster's start writes. */
async function startPrograms(session: Session, state: LabState): Promise<Pick<Lab, 'cluster' | 'azure' | 'started'>> {
  await assertPortsFree(session.home, state)
  const before = running(session.home)
  const cluster =
    state.target.kind === 'local' ? embeddedCluster(session, state) : realCluster(session, state, state.target.path)
  const listen = state.listen === '' ? cluster.then(({ addressForPods }) => addressForPods) : state.listen
  const azure = localAzure(session, { state, listen })
  await Promise.allSettled([cluster, azure])
  const started = [...running(session.home)].filter((name) => !before.has(name))
  try {
    return { cluster: await cluster, azure: await azure, started }
  } catch (error) {
    await stopAll(session.home, started)
    throw error
  }
}

async function stopAll(home: LabHome, names: readonly BackgroundName[]): Promise<void> {
  for (const name of names) await stopBackground(home, name)
}

function running(home: LabHome): Set<BackgroundName> {
  return new Set(stopOrder.filter((name) => findBackground(home, name) !== undefined))
}

/** The local Azure, started when it does not run. */
async function localAzure(
  { home, world, terminal }: Session,
  { state, listen }: { state: LabState; listen: string | Promise<string> },
): Promise<LocalAzure | undefined> {
  if (state.azure === 'real') return undefined
  const found = findLocalAzure(home)
  if (found !== undefined) return found
  const address = await listen
  const start = () =>
    startLocalAzure(home, world, {
      listen: address,
      port: state.ports.azure,
      imdsPort: state.ports.imds,
      issuerCa: home.clusterCa,
    })
  return terminal.step('Local Azure', start, ({ proxy, pid }) => `HTTPS proxy at ${proxy} (process ${pid})`)
}

async function productOf(
  { world, terminal }: Session,
  { state, cluster, azure }: { state: LabState; cluster: LabCluster; azure: LocalAzure | undefined },
): Promise<ProductStatus> {
  const kube = createKubeClient(cluster.config)
  const run = async () => {
    await installProduct(kube, labProduct(world.packageRoot, { state, cluster, azure }))
    return waitForProduct(kube, { signal: world.signal, probes: probesOf(cluster) })
  }
  try {
    return await terminal.step('Keymount', run, ({ pods }) => `driver and provider run (${pods.length} pods)`)
  } finally {
    kube.close()
  }
}

/** The daemons' own answer, where they listen on this machine. */
function probesOf({ shared }: LabCluster): URL[] {
  if (shared === undefined) return []
  const { driverHealth, providerHealth } = shared.ports
  return [driverHealth, providerHealth].map((port) => new URL(`http://127.0.0.1:${port}/healthz`))
}

/** The objects that make the product work in this lab. */
function labProduct(
  packageRoot: string,
  { state, cluster, azure }: { state: LabState; cluster: LabCluster; azure: LocalAzure | undefined },
): UntypedObject[] {
  const { hostname } = new URL(cluster.server)
  return productObjects(readManifests(join(packageRoot, 'deploy')), {
    image: cluster.image,
    kubeletRoot: cluster.kubeletRoot,
    rotationPollInterval: state.rotationPollInterval,
    shared: cluster.shared,
    ...(azure === undefined
      ? {}
      : {
          azure: {
            proxy: azure.proxy,
            caPem: readFileSync(azure.ca, 'utf8'),
            noProxy: [...new Set(['127.0.0.1', 'localhost', '.svc', hostname])],
          },
        }),
  })
}

/** Ports that are taken are told before anything is started. */
async function assertPortsFree(home: LabHome, { target, azure, listen, ports }: LabState): Promise<void> {
  const loopback = '127.0.0.1'
  if (target.kind === 'local' && findLocalCluster(home) === undefined) {
    await assertPortFree({ listen: loopback, port: ports.cluster, owner: 'the local cluster', option: '--port' })
  }
  if (azure === 'real' || findLocalAzure(home) !== undefined) return
  const address = listen === '' ? loopback : listen
  await assertPortFree({ listen: address, port: ports.azure, owner: 'the local Azure', option: '--azure-port' })
  await assertPortFree({ listen: address, port: ports.imds, owner: 'the local Azure', option: '--imds-port' })
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
    ...(state.target.kind === 'local' && cluster.image !== undefined ? { localImage: cluster.image } : {}),
    ...(cluster.shared === undefined ? {} : { daemonPorts: cluster.shared.ports }),
    ports: {
      cluster: state.target.kind === 'local' ? portOf(cluster.server) : state.ports.cluster,
      azure: azure === undefined ? state.ports.azure : portOf(azure.proxy),
      imds: azure === undefined ? state.ports.imds : portOf(azure.imds),
    },
  }
}
