import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { findKubectl } from '../support/kubectl.ts'
import { followWalkthrough } from '../walkthroughs/follow-walkthrough.ts'
import { parseWalkthrough } from '../walkthroughs/parse-walkthrough.ts'
import { reasonToSkipWalkthroughs, walkthroughLab } from '../walkthroughs/walkthrough-lab.ts'
import { findClusterProcesses } from './cluster-processes.ts'
import { noNodeHost, realClusterOnly } from './real-cluster-only.ts'

/**
 * The walk-through whose last part needs pods with networks of their own, on a real cluster: driver, provider and pod
 * identity by helm, from the addresses that it names. All are followed on local clusters too.
 */
const { KUBECONFIG = '', NODE_HOST, KEYMOUNT_IMAGE, KUBELET_ROOT } = process.env
const root = resolve(import.meta.dirname, '../..')

const options = realClusterOnly(
  'followed on a local cluster by test/walkthroughs',
  noNodeHost,
  reasonToSkipWalkthroughs(),
)

test('the walk-through with pod identity, to its end', options, async (t) => {
  // The walk-through gives the node another provider id by deleting and creating it.
  const keepKubeProxy = findClusterProcesses(KUBECONFIG)?.keepKubeProxy()
  t.after(() => keepKubeProxy?.())
  const flags = Object.entries({
    kubeconfig: KUBECONFIG,
    listen: NODE_HOST,
    image: KEYMOUNT_IMAGE,
    'kubelet-root': KUBELET_ROOT,
  })
  const lab = await walkthroughLab(
    t,
    ...flags.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])),
  )
  // The walk-through begins with a cluster without a driver: helm brings it.
  const manifests = resolve(root, 'deploy/keymount.yaml')
  const { status, stderr } = spawnSync(
    findKubectl() ?? 'kubectl',
    ['delete', '-f', manifests, '-l', 'app.kubernetes.io/name=keymount', '--ignore-not-found'],
    { env: { ...process.env, KUBECONFIG }, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`kubectl delete ended with ${status}: ${stderr}`)
  const file = resolve(root, 'test/walkthroughs/service-principal-and-pod-identity.md')
  await followWalkthrough(t, parseWalkthrough(readFileSync(file, 'utf8')), await lab.terminal(t))
})
