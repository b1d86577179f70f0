import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { newestCluster, oldestCluster } from '../../scripts/pages/compatibility-page.ts'
import { kubeClientOf } from '../support/kube-client-of.ts'
import { realClusterOnly } from './real-cluster-only.ts'

const { KUBECONFIG = '' } = process.env

/** Of a cluster of `.ci/run`; another one may have any versions. */
test(
  'docs/compatibility.md names the container runtime of this cluster',
  realClusterOnly('the page is about real clusters'),
  async (t) => {
    const kube = kubeClientOf(t, KUBECONFIG)
    const { items } = await kube.list(resources.nodes)
    for (const { status } of items) {
      const { kubeletVersion = '', containerRuntimeVersion = '' } = status?.nodeInfo ?? {}
      const named = [newestCluster, oldestCluster].find(({ kubernetes }) => kubeletVersion === `v${kubernetes}`)
      if (named === undefined) return t.skip(`kubelet ${kubeletVersion} is not on the page`)
      // Debian and Go add a suffix.
      assert.match(
        containerRuntimeVersion,
        new RegExp(`^containerd://v?${named.containerd.replaceAll('.', '\\.')}(\\D|$)`),
      )
    }
  },
)
