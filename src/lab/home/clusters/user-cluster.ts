import { rmSync } from 'node:fs'
import { createKubeClient } from '#kubernetes/client'
import { parseJson, stringOf, valueAt } from '#lib/formats'
import { removeWebhook } from '../product/lab-webhook.ts'
import { removeFromCluster } from '../product/remove-from-cluster.ts'
import type { Session } from '../session.ts'
import { requireLabState } from '../state/lab-state.ts'
import type { ClustersBehind } from './clusters-behind.ts'
import type { LabCluster } from './lab-cluster.ts'
import { readKubeconfig } from './read-kubeconfig.ts'
import { realCluster } from './real-cluster.ts'
import { readUserCluster, writeUserCluster } from './user-cluster-record.ts'

/**
 * The cluster of a kubeconfig, which backs the first managed cluster that is created. It is the user's: the lab installs
 * things in it and removes them again, but never stops or deletes it.
 */
export function userCluster(session: Session, path: string): ClustersBehind {
  const { home } = session

  const backs = (id: string) => readUserCluster(home)?.id.toLowerCase() === id.toLowerCase()
  const describe = (): Promise<LabCluster> => realCluster(session, requireLabState(home), path)

  async function find(id: string): Promise<LabCluster> {
    if (backs(id)) return describe()
    throw new Error(`the cluster of ${path} does not back ${id}`)
  }

  return {
    kubernetesVersion: () => kubernetesVersion(session, path),
    async quotaReached() {
      const id = readUserCluster(home)?.id
      if (id === undefined) return undefined
      return `Operation could not be completed as it results in exceeding the approved number of clusters: this lab has only the cluster of ${path}, which backs ${id}. Delete that first.`
    },
    async create({ id }) {
      const cluster = await describe()
      writeUserCluster(home, { id, parts: [] })
      return cluster
    },
    start: find,
    stop: () => Promise.reject(new Error(`the cluster of ${path} is yours: the lab does not stop it`)),
    find,
    note(id, part, installed) {
      const others = (readUserCluster(home)?.parts ?? []).filter((each) => each !== part)
      writeUserCluster(home, { id, parts: installed ? [...others, part] : others })
    },
    async delete(id) {
      if (!backs(id)) return
      // What "keymount up" installed stays: it does not belong to the managed cluster.
      const parts = readUserCluster(home)?.parts ?? []
      if (parts.includes('secrets-provider')) await removeFromCluster(session, path, {})
      else if (parts.includes('webhook')) await removeWebhook(session, await describe())
      rmSync(home.userCluster, { force: true })
    },
  }
}

async function kubernetesVersion({ world }: Session, path: string): Promise<string> {
  const kube = createKubeClient(readKubeconfig(path, world.env))
  try {
    const text = await kube.raw({ method: 'GET', path: '/version' })
    const version = stringOf(valueAt(parseJson(`the version of ${kube.server}`, text), 'gitVersion')) ?? ''
    return /^v?(\d+\.\d+\.\d+)/.exec(version)?.[1] ?? version
  } finally {
    kube.close()
  }
}
