/** Whether the cluster of `npm run e2e` can start what the end-to-end cases need: found out in seconds, before any of them waits. */

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { createKubeClient, type KubeClient, loadKubeconfig, type Pod, resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { imageReference } from '#packaging/image'

const root = join(import.meta.dirname, '..')
const timeoutMs = 90_000
/** More nodes than this are not tried one by one. */
const mostNodes = 5

interface Image {
  name: string
  command: string[]
  /** How to bring it to a node. */
  load: string
}

/** Undefined if everything is there; otherwise what is missing, and what to do. */
export async function reasonForNoRun(env = process.env): Promise<string | undefined> {
  const { KUBECONFIG, KEYMOUNT_IMAGE } = env
  if (KUBECONFIG === undefined || KUBECONFIG === '') return 'KUBECONFIG has to name the cluster to test on.'
  const kube = createKubeClient(loadKubeconfig(KUBECONFIG, { environment: env }))
  try {
    const { items } = await kube.list(resources.nodes)
    const nodes = items.map(({ metadata }) => metadata.name ?? '').slice(0, mostNodes)
    const images = [productImage(KEYMOUNT_IMAGE), busyboxImage()]
    const pairs = nodes.flatMap((node) => images.map((image) => ({ node, image })))
    const reasons = await Promise.all(pairs.map(({ node, image }) => reasonForNoStart(kube, node, image)))
    const missing = reasons.filter((reason) => reason !== undefined)
    return missing.length === 0 ? undefined : missing.join('\n')
  } catch (error) {
    return `The cluster of ${KUBECONFIG} does not answer: ${(error as Error).message}`
  } finally {
    kube.close()
  }
}

/** Ends with 3 if a pod does not reach a Service: that of the API server, which every cluster has. */
const noServices = 3
const reachesServices = `
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
const end = Date.now() + 20000
const connect = () => {
  const socket = require('node:net').connect({ host, port, timeout: 5000 }, () => process.exit(0))
  const again = () => socket.destroy() && (Date.now() < end ? setTimeout(connect, 1000) : process.exit(${noServices}))
  socket.once('error', again).once('timeout', again)
}
connect()`

function productImage(named: string | undefined): Image {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const name = named || imageReference(version)
  const load = [
    'Build it with "npm run image" and load dist/keymount-node.tar on each node, with one of:',
    '  kind load image-archive dist/keymount-node.tar',
    '  ctr -n k8s.io image import dist/keymount-node.tar',
    'or name an image that the nodes can pull in KEYMOUNT_IMAGE.',
  ]
  return { name, command: ['/usr/local/bin/node', '-e', reachesServices], load: load.join('\n') }
}

/** The image of the examples, which the end-to-end cases apply as they are. */
function busyboxImage(): Image {
  const example = parse(readFileSync(join(root, 'examples/workload-identity/3-pod.yaml'), 'utf8')) as Pod
  const name = example.spec?.containers[0]?.image ?? ''
  const load = [
    'The examples use it. Load it on each node, with one of:',
    `  docker pull ${name} && kind load docker-image ${name}`,
    `  ctr -n k8s.io image pull ${name}`,
  ]
  return { name, command: ['/bin/sh', '-c', 'true'], load: load.join('\n') }
}

/** Runs the image once on the node; undefined if it ended well. */
async function reasonForNoStart(kube: KubeClient, node: string, image: Image): Promise<string | undefined> {
  const name = `keymount-check-${randomUUID().slice(0, 8)}`
  const where = { namespace: 'default', name }
  const container = {
    name: 'check',
    image: image.name,
    command: image.command,
    imagePullPolicy: 'IfNotPresent' as const,
  }
  const spec = {
    nodeName: node,
    restartPolicy: 'Never' as const,
    tolerations: [{ operator: 'Exists' }],
    automountServiceAccountToken: false,
    containers: [container],
  }
  await kube.create(resources.pods, { apiVersion: 'v1', kind: 'Pod', metadata: where, spec })
  try {
    const end = performance.now() + timeoutMs
    while (performance.now() < end) {
      const { waiting, exitCode } = stateOf(await kube.get(resources.pods, where))
      if (exitCode === noServices)
        return `Pods on node ${node} do not reach Services: is kube-proxy, or what has its place, running there?`
      if (exitCode !== undefined) return undefined
      if (waiting !== undefined) return `Node ${node} has no image ${image.name} (${waiting}).\n${image.load}`
      await sleep(250)
    }
    return `A pod with the image ${image.name} did not start and end on node ${node} within ${timeoutMs / 1000} s.`
  } finally {
    await kube.delete(resources.pods, where, { gracePeriodSeconds: 0 })
  }
}

/** `waiting`: why the image is not available. `exitCode`: of a program that has ended. */
function stateOf({ status }: Pod): { exitCode: number | undefined; waiting: string | undefined } {
  const state = status?.containerStatuses?.[0]?.state
  const reason = state?.waiting?.reason ?? ''
  return {
    exitCode: state?.terminated?.exitCode,
    waiting: /^(ErrImage\w*|ImagePullBackOff|ImageInspectError|InvalidImageName)$/.test(reason) ? reason : undefined,
  }
}
