import { copyFileSync, rmSync } from 'node:fs'
import { CliError } from '#terminal'
import { stopBackground } from '../processes/background.ts'
import { findLocalCluster } from '../processes/lab-programs.ts'
import type { Session } from '../session.ts'
import type { LabHome } from '../state/lab-home.ts'
import { type LabState, requireLabState } from '../state/lab-state.ts'
import {
  type ClusterPlace,
  findNumbered,
  newPlace,
  primaryPlace,
  recordPrimary,
  removeUnrecorded,
  writeRecord,
} from './cluster-place.ts'
import type { ClustersBehind } from './clusters-behind.ts'
import { asLabCluster, type EmbeddedCluster, embeddedCluster } from './embedded-cluster.ts'
import { isPrimary } from './primary-cluster.ts'

/** Version of Kubernetes that the local cluster implements. */
const localVersion = '1.34.0'

/**
 * Managed clusters as local clusters of this machine: each is a process with its own port, CA and directory. The one of
 * {@link isPrimary} is the lab's own.
 */
export function localClusters(session: Session): ClustersBehind {
  const { home } = session
  return {
    kubernetesVersion: async () => localVersion,
    quotaReached: async () => undefined,
    async create({ id, nodeName }) {
      if (isPrimary(id)) return startPrimary(session)
      await remove(home, id)
      newPlace(home, { id, nodeName })
      return startNumbered(session, id).catch(async (error: unknown) => {
        await remove(home, id)
        throw error
      })
    },
    start: (id) => (isPrimary(id) ? startPrimary(session) : startNumbered(session, id)),
    async stop(id) {
      const place = findNumbered(home, id)
      if (place !== undefined) writeRecord(place, { ...place.record, stopped: true })
      const program = isPrimary(id) ? primaryPlace(home).program : place?.program
      if (program !== undefined) await stopBackground(home, program)
    },
    find: async (id) => findRunning(home, id),
    // What is installed in a local cluster is deleted with it.
    note: () => undefined,
    delete: (id) => remove(home, id),
  }
}

async function startPrimary(session: Session): Promise<EmbeddedCluster> {
  const { home } = session
  const { ports, ...state } = requireLabState(home)
  const cluster = await embeddedCluster(session, primaryPlace(home), { ...state, port: ports.cluster })
  copyFileSync(cluster.caFile ?? '', home.clusterCa)
  const { localImage, daemonPorts } = startedWith(cluster, state)
  recordPrimary(home, { localImage, daemonPorts })
  return cluster
}

async function startNumbered(session: Session, id: string): Promise<EmbeddedCluster> {
  const { home } = session
  const place = findNumbered(home, id)
  if (place === undefined) throw new CliError({ what: `The lab in ${home.root} has no cluster ${id}` })
  const { syncFrequency, podNetwork } = requireLabState(home)
  const { stopped: _, ...record } = place.record
  const cluster = await embeddedCluster(session, place, { ...record, syncFrequency, podNetwork })
  const port = Number(new URL(cluster.server).port)
  writeRecord(place, { ...record, port, ...startedWith(cluster, record) })
  return cluster
}

/** Where pods have networks of their own, the ports of an earlier start are kept for a later one. */
function startedWith({ image, shared }: EmbeddedCluster, before: Pick<LabState, 'daemonPorts'>) {
  return { localImage: image, daemonPorts: shared.ports ?? before.daemonPorts }
}

async function remove(home: LabHome, id: string): Promise<void> {
  removeUnrecorded(home)
  const place = isPrimary(id) ? primaryPlace(home) : findNumbered(home, id)
  if (place === undefined) return
  await stopBackground(home, place.program)
  for (const directory of [place.directory, place.providers]) rmSync(directory, { recursive: true, force: true })
}

function findRunning(home: LabHome, id: string): EmbeddedCluster {
  const place = recordedPlace(home, id)
  const found = place === undefined ? undefined : findLocalCluster(home, place.program)
  const { localImage: image, daemonPorts: ports } = place?.record ?? {}
  const hasPorts = ports !== undefined || found?.machineAddress !== undefined
  if (place === undefined || found === undefined || image === undefined || !hasPorts) {
    throw new CliError({
      what: 'The cluster is not running',
      fix: ['start it: az aks start', 'or start the whole lab: keymount up'],
    })
  }
  return asLabCluster(found, place, { image, ports })
}

/** The place of a cluster, with what it was last started with. */
function recordedPlace(
  home: LabHome,
  id: string,
): (ClusterPlace & { record: Pick<LabState, 'localImage' | 'daemonPorts'> }) | undefined {
  return isPrimary(id) ? { ...primaryPlace(home), record: requireLabState(home) } : findNumbered(home, id)
}
