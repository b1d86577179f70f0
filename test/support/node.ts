import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import {
  createKubeClient,
  type ExecResult,
  execInPod,
  type KubeClient,
  type KubeEvent,
  type KubeObject,
  loadKubeconfig,
  type Pod,
  type PodSpec,
  type Resource,
  resources,
  wasFound,
} from '#kubernetes/client'
import type { LocalClusterOptions } from '#lab/cluster'
import { eventually } from './eventually.ts'
import { startLocalCluster } from './local-cluster.ts'

/** A local cluster with its node, as the owner of pods uses it. Everything is in namespace `default`. */
export interface TestNode {
  kube: KubeClient
  kubeletRoot: string
  stateDir: string
  create<T extends KubeObject>(resource: Resource<T>, object: Omit<T, 'apiVersion' | 'kind'>): Promise<T>
  /** Makes a pod of one container named `main`; `rest` goes to the spec. */
  run(name: string, container: Partial<PodSpec['containers'][0]>, rest?: Partial<PodSpec>): Promise<Pod>
  /** Waits until `look` no longer throws and gives the pod of that moment. */
  pod(name: string, look: (pod: Pod) => void): Promise<Pod>
  /** Waits until the pod runs and is ready. */
  ready(name: string): Promise<Pod>
  /** What the container of a pod printed, once the pod is over. */
  outputOf(name: string): Promise<string>
  log(name: string, query?: string): Promise<string>
  /** The lines of a log as it comes, until it ends; `onLine` hears of each piece. */
  follow(name: string, query: string, onLine: () => void): Promise<string[]>
  exec(name: string, command: readonly string[], container?: string): Promise<ExecResult>
  events(name: string): Promise<string[]>
  /** Deletes a pod and waits until it is gone. */
  delete(name: string, options?: { gracePeriodSeconds?: number }): Promise<void>
  stop(): Promise<void>
}

/** Image of the machine's own programs. */
export const hostImage = 'debian:12'

export async function startNode(t: TestContext, overrides: Partial<LocalClusterOptions> = {}): Promise<TestNode> {
  const cluster = await startLocalCluster(t, { nodeName: 'test-node', ...overrides })
  const config = loadKubeconfig(cluster.kubeconfig)
  const kube = createKubeClient(config)
  t.after(() => kube.close())
  const namespace = 'default'
  const node: TestNode = {
    kube,
    kubeletRoot: cluster.kubeletRoot,
    stateDir: cluster.stateDir,
    create: (resource, object) =>
      kube.create(resource, {
        apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
        kind: resource.kind,
        ...object,
        metadata: { ...(resource.namespaced ? { namespace } : {}), ...object.metadata },
      } as never),
    run: (name, container, rest = {}) =>
      node.create(resources.pods, {
        metadata: { name },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'main', image: hostImage, ...container }],
          ...rest,
        },
      }),
    pod: (name, look) =>
      eventually(async () => {
        const pod = await kube.get(resources.pods, { name, namespace })
        look(pod)
        return pod
      }),
    ready: (name) =>
      node.pod(name, ({ status }) =>
        assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True', JSON.stringify(status)),
      ),
    async outputOf(name) {
      await node.pod(name, ({ status }) =>
        assert.match(status?.phase ?? '', /Succeeded|Failed/, JSON.stringify(status)),
      )
      return node.log(name)
    },
    log: (name, query = '') =>
      kube.raw({
        method: 'GET',
        path: `/api/v1/namespaces/default/pods/${name}/log${query}`,
        headers: { accept: '*/*' },
      }),
    follow: (name, query, onLine) =>
      cluster.lines(`/api/v1/namespaces/default/pods/${name}/log?follow=true&${query}`, () => {
        onLine()
        return false
      }),
    exec: (pod, command, container) => execInPod(config, { namespace, pod, container, command }),
    async events(name) {
      const { items } = await kube.list<KubeEvent>(resources.events, { namespace })
      const about = items.filter(({ involvedObject }) => involvedObject.name === name)
      return about.map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
    },
    async delete(name, options = {}) {
      await kube.delete(resources.pods, { name, namespace }, options)
      await eventually(async () => {
        assert.equal(await wasFound(kube.get(resources.pods, { name, namespace })), false)
      })
    },
    stop: cluster.stop,
  }
  return node
}

/** Number of the process whose command line begins with this (words end with a zero byte). */
export function processWith(commandLine: string): number {
  const found = processesWith(commandLine)[0]
  assert.ok(found !== undefined, `a process with ${JSON.stringify(commandLine)}`)
  return found
}

export function processesWith(commandLine: string): number[] {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return numbers.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(commandLine)
    } catch {
      return false
    }
  })
}
