import { copyFileSync } from 'node:fs'
import { allEnded } from '#lib/async'
import { primaryPlace } from './clusters/cluster-place.ts'
import { embeddedCluster } from './clusters/embedded-cluster.ts'
import type { LabCluster } from './clusters/lab-cluster.ts'
import { realCluster } from './clusters/real-cluster.ts'
import { type BackgroundName, findBackground, startedPrograms, stopBackground } from './processes/background.ts'
import { findLocalAzure, findLocalCluster, type LocalAzure, startLocalAzure } from './processes/lab-programs.ts'
import { assertPortFree, concretePort } from './processes/ports.ts'
import type { Session } from './session.ts'
import type { LabHome } from './state/lab-home.ts'
import type { LabState } from './state/lab-state.ts'

export interface Programs {
  cluster: LabCluster
  /** Absent with the real Azure. */
  azure: LocalAzure | undefined
  /** Those that were not running before. */
  started: readonly BackgroundName[]
}

/**
 * The cluster and the local Azure, each started if it is not running. Both start at the same time: the local Azure reads the
 * CA of the cluster's issuer from a file, which may appear later. If one of them fails, what this call started is stopped.
 */
export async function startPrograms(session: Session, state: LabState): Promise<Programs> {
  const { home } = session
  await assertPortsFree(home, state)
  const before = running(home)
  const cluster =
    state.target.kind === 'local' ? primaryCluster(session, state) : realCluster(session, state, state.target.path)
  const listen = state.listen === '' ? cluster.then(({ addressForPods }) => addressForPods) : state.listen
  const azure = localAzure(session, state, listen)
  const started = () => running(home).filter((name) => !before.includes(name))
  try {
    const [runningCluster, runningAzure] = await allEnded([cluster, azure])
    return { cluster: runningCluster, azure: runningAzure, started: started() }
  } catch (error) {
    for (const name of started()) await stopBackground(home, name)
    throw error
  }
}

/** Ports in use are reported before anything is started. */
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

function running(home: LabHome): BackgroundName[] {
  return startedPrograms(home).filter((name) => findBackground(home, name) !== undefined)
}

async function primaryCluster(session: Session, { ports, ...state }: LabState): Promise<LabCluster> {
  const { home } = session
  const cluster = await embeddedCluster(session, primaryPlace(home), { ...state, port: ports.cluster })
  if (cluster.caFile !== undefined) copyFileSync(cluster.caFile, home.clusterCa)
  return cluster
}

async function localAzure(
  { home, world, terminal }: Session,
  state: LabState,
  listen: string | Promise<string>,
): Promise<LocalAzure | undefined> {
  if (state.azure === 'real') return undefined
  const found = findLocalAzure(home)
  if (found !== undefined) return found
  const address = await listen
  const start = async () => {
    const port = await concretePort(state.ports.azure, address)
    const imdsPort = await concretePort(state.ports.imds, address)
    return startLocalAzure(home, world, {
      listen: address,
      port,
      imdsPort,
      issuerCa: home.clusterCa,
      offline: state.offline === true,
    })
  }
  return terminal.step('Local Azure', start, ({ proxy, pid }) => `HTTPS proxy at ${proxy} (process ${pid})`)
}
