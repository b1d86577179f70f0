import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { resources } from '#kubernetes/client'
import { startRegistry } from '../support/docker-registry.ts'
import { until } from '../support/eventually.ts'
import { findProgram } from '../support/find-program.ts'
import { kubeClientOf } from '../support/kube-client-of.ts'
import { cliCommand, cliEnvironment } from '../support/run-cli.ts'
import { realClusterOnly } from './real-cluster-only.ts'

const noRegistry =
  findProgram('docker-registry', 'KEYMOUNT_DOCKER_REGISTRY') === undefined ? 'no docker-registry' : undefined

/** The network of a node that runs as processes of this machine, where its runtime reaches a registry on loopback. */
function networkOfNode(): string | undefined {
  const pidFile = join(dirname(process.env.KUBECONFIG ?? ''), 'run/kubelet.pid')
  return existsSync(pidFile) ? `--net=/proc/${readFileSync(pidFile, 'utf8').trim()}/ns/net` : undefined
}

const noNetwork = networkOfNode() === undefined ? 'the node does not run on this machine' : undefined

test(
  'containerd pulls what keymount image push has put into a registry, and runs the image of its processor',
  realClusterOnly('the local cluster pulls no images', noRegistry, noNetwork),
  async (t) => {
    const within = ['nsenter', networkOfNode() ?? '']
    const { host } = await startRegistry(t, { within, port: 21_500 })
    const reference = `${host}/team/keymount:${randomBytes(3).toString('hex')}`
    const words = [...within.slice(1), ...cliCommand, 'image', 'push', reference, '--plain-http', '-o', 'json']
    const { stdout } = await promisify(execFile)('nsenter', words, { env: cliEnvironment(), timeout: 300_000 })
    const { image, digest, platforms } = JSON.parse(stdout) as { image: string; digest: string; platforms: object[] }
    assert.equal(platforms.length, 2)

    const kube = kubeClientOf(t, process.env.KUBECONFIG ?? '')
    const name = `e2e-registry-${randomBytes(3).toString('hex')}`
    const pod = { namespace: 'default', name }
    t.after(() => kube.delete(resources.pods, pod))
    await kube.create(resources.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: pod,
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        containers: [
          { name: 'version', image: `${image}@${digest}`, imagePullPolicy: 'Always', args: ['driver', '--version'] },
        ],
      },
    })
    const { status } = await until(`pod ${name} to end`, async () => {
      const found = await kube.get(resources.pods, pod)
      return ['Succeeded', 'Failed'].includes(found.status?.phase ?? '') ? found : undefined
    })
    assert.equal(status?.phase, 'Succeeded')
    assert.match(status.containerStatuses?.[0]?.imageID ?? '', new RegExp(`${digest}$`))
  },
)
