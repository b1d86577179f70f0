import { rmSync } from 'node:fs'
import { createKubeClient } from '#kubernetes/client'
import { removeWebhook } from '../product/lab-webhook.ts'
import type { Session } from '../session.ts'
import { requireLabState } from '../state/lab-state.ts'
import { removeFromCluster } from '../take-down.ts'
import type { ClustersBehind } from './clusters-behind.ts'
import type { LabCluster } from './lab-cluster.ts'
import { readKubeconfig, realCluster } from './real-cluster.ts'
import { readUserCluster, writeUserCluster } from './user-cluster-record.ts'

/**
 * The one cluster that a kubeconfig names, behind the first managed cluster that is made. It is the user's: the lab installs
 * into it and takes out again, and never stops or deletes it.
 */
export function userCluster(session: Session, path: string): ClustersBehind {
  const { home, world } = session

  const read = () => readUserCluster(home)
  const stands = (id: string) => read()?.id.toLowerCase() === id.toLowerCase()
  const facts = (): Promise<LabCluster> => realCluster(session, requireLabState(home), path)

  async function find(id: string): Promise<LabCluster> {
    if (stands(id)) return facts()
    throw new Error(`the cluster of ${path} does not stand behind ${id}`)
  }

  return {
    async kubernetesVersion() {
      const kube = createKubeClient(readKubeconfig(path, world.env))
      try {
        const text = await kube.raw({ method: 'GET', path: '/version' })
        const { gitVersion } = JSON.parse(text) as { gitVersion: string }
        return /^v?(\d+\.\d+\.\d+)/.exec(gitVersion)?.[1] ?? gitVersion
      } finally {
        kube.close()
      }
    },
    async quotaReached() {
      const id = read()?.id
      if (id === undefined) return undefined
      return `Operation could not be completed as it results in exceeding the approved number of clusters: this lab has the one cluster of ${path}, which stands behind ${id}. Delete that first.`
    },
    async create({ id }) {
      const cluster = await facts()
      writeUserCluster(home, { id, parts: [] })
      return cluster
    },
    start: find,
    stop: () => Promise.reject(new Error(`the cluster of ${path} is not the lab's to stop`)),
    find,
    note(id, part, installed) {
      const others = (read()?.parts ?? []).filter((each) => each !== part)
      writeUserCluster(home, { id, parts: installed ? [...others, part] : others })
    },
    async delete(id) {
      if (!stands(id)) return
      // What "keymount up" installed is not the managed cluster's to take away.
      const parts = read()?.parts ?? []
      if (parts.includes('secrets-provider')) await removeFromCluster(session, path, {})
      else if (parts.includes('webhook')) await removeWebhook(session, await facts())
      rmSync(home.userCluster, { force: true })
    },
  }
}
