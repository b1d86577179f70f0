import { copyFileSync, rmSync } from 'node:fs'
import { stopBackground } from '../processes/background.ts'
import { findLocalCluster } from '../processes/lab-programs.ts'
import type { Session } from '../session.ts'
import { type LabState, requireLabState } from '../state/lab-state.ts'
import {
  type ClusterPlace,
  findNumbered,
  newPlace,
  primaryPlace,
  rememberPrimary,
  writeRecord,
} from './cluster-place.ts'
import type { ClustersBehind } from './clusters-behind.ts'
import { asLabCluster, type EmbeddedCluster, embeddedCluster } from './embedded-cluster.ts'
import { isPrimary } from './primary-cluster.ts'

/** Version of Kubernetes that the local cluster plays. */
const localVersion = '1.34.0'

/**
 * Managed clusters as local clusters of this machine, each a process with a port, an authority and a directory of its own.
 * The one named as {@link isPrimary} says is the lab's own.
 */
export function localClusters(session: Session): ClustersBehind {
  const { home } = session
  const numbered = (id: string) => findNumbered(home, id)

  async function startNumbered(id: string): Promise<EmbeddedCluster> {
    const place = numbered(id)
    if (place === undefined) throw new Error(`the lab in ${home.root} has no cluster ${id}`)
    const { syncFrequency } = requireLabState(home)
    const { stopped: _, ...record } = place.record
    const cluster = await embeddedCluster(session, place, { ...record, syncFrequency })
    const port = Number(new URL(cluster.server).port)
    writeRecord(place, { ...record, port, localImage: cluster.image, daemonPorts: cluster.shared.ports })
    return cluster
  }

  async function startPrimary(): Promise<EmbeddedCluster> {
    const { ports, ...state } = requireLabState(home)
    const cluster = await embeddedCluster(session, primaryPlace(home), { ...state, port: ports.cluster })
    copyFileSync(cluster.caFile ?? '', home.clusterCa)
    rememberPrimary(home, { localImage: cluster.image, daemonPorts: cluster.shared.ports })
    return cluster
  }

  const start = (id: string) => (isPrimary(id) ? startPrimary() : startNumbered(id))

  async function remove(id: string): Promise<void> {
    const place = isPrimary(id) ? primaryPlace(home) : numbered(id)
    if (place === undefined) return
    await stopBackground(home, place.program)
    for (const directory of [place.directory, place.providers]) rmSync(directory, { recursive: true, force: true })
  }

  return {
    kubernetesVersion: async () => localVersion,
    quotaReached: async () => undefined,
    async create({ id, nodeName }) {
      if (isPrimary(id)) return startPrimary()
      await remove(id)
      newPlace(home, { id, nodeName })
      return startNumbered(id).catch(async (error: unknown) => {
        await remove(id)
        throw error
      })
    },
    start,
    async stop(id) {
      const place = numbered(id)
      if (place !== undefined) writeRecord(place, { ...place.record, stopped: true })
      const program = isPrimary(id) ? primaryPlace(home).program : place?.program
      if (program !== undefined) await stopBackground(home, program)
    },
    async find(id) {
      return running(session, isPrimary(id) ? primaryKnown(requireLabState(home), primaryPlace(home)) : numbered(id))
    },
    // With the cluster goes all that is in it.
    note: () => undefined,
    delete: remove,
  }

  function primaryKnown({ localImage, daemonPorts }: LabState, place: ClusterPlace) {
    return { ...place, record: { localImage, daemonPorts } }
  }
}

type Known = ClusterPlace & { record: Pick<LabState, 'localImage' | 'daemonPorts'> }

function running({ home }: Session, place: Known | undefined): EmbeddedCluster {
  const found = place === undefined ? undefined : findLocalCluster(home, place.program)
  const { localImage: image, daemonPorts: ports } = place?.record ?? {}
  if (place === undefined || found === undefined || image === undefined || ports === undefined) {
    throw new Error('the cluster does not run: start it with "az aks start", or all of the lab with "keymount up"')
  }
  return asLabCluster(found, place, { image, ports })
}
