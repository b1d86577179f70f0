import assert from 'node:assert/strict'
import { test } from 'node:test'
import { webhookSettings } from '../../../test/product/webhook/webhook-settings.ts'
import { mutatePod } from './mutate-pod.ts'
import { notifyContainer } from './notify-sidecar.ts'
import { parsePod } from './parse-pod.ts'

const csi = (className: string) => ({
  driver: 'secrets-store.csi.k8s.io',
  volumeAttributes: { secretProviderClass: className },
})

function podWith(notify: string | undefined, volumes: object[] = [{ name: 'secrets', csi: csi('app') }]) {
  const annotations = notify === undefined ? {} : { 'keymount.dev/notify': notify }
  return parsePod({
    metadata: { name: 'web', annotations },
    spec: { initContainers: [{ name: 'first' }], containers: [{ name: 'app' }], volumes },
  })
}

test('a pod that asks for it gets a sidecar with its volumes of classes, behind its init containers, and without a token', () => {
  const volumes = [
    { name: 'secrets', csi: csi('app') },
    { name: 'scratch', emptyDir: {} },
    { name: 'certificates', csi: csi('tls') },
  ]
  const { patch } = mutatePod(podWith('post=http://127.0.0.1:9000/-/reload settle=1s', volumes), {}, webhookSettings)
  const added = patch.find(({ path }) => path === '/spec/initContainers/1')
  const { value } = added as { value: Record<string, unknown> }
  assert.deepEqual(value.args, [
    'notify',
    '--watch=/mnt/keymount/secrets',
    '--watch=/mnt/keymount/certificates',
    '--post=http://127.0.0.1:9000/-/reload',
    '--settle=1s',
  ])
  assert.deepEqual(value.volumeMounts, [
    { name: 'secrets', mountPath: '/mnt/keymount/secrets', readOnly: true },
    { name: 'certificates', mountPath: '/mnt/keymount/certificates', readOnly: true },
  ])
  assert.deepEqual([value.name, value.restartPolicy, value.env], ['keymount-notify', 'Always', undefined])
  assert.equal((value.securityContext as { runAsUser?: number }).runAsUser, 65_532)
})

test('a pod that does not ask gets none, and one that has it already no second', () => {
  assert.equal(notifyContainer(podWith(undefined), webhookSettings), undefined)
  const pod = parsePod({
    metadata: { name: 'web', annotations: { 'keymount.dev/notify': 'exit-code=88' } },
    spec: {
      initContainers: [{ name: 'keymount-notify' }],
      containers: [{ name: 'app' }],
      volumes: [{ name: 'secrets', csi: csi('app') }],
    },
  })
  const { patch } = mutatePod(pod, {}, { ...webhookSettings, restartsAllContainers: true })
  assert.ok(!patch.some(({ path }) => path.startsWith('/spec/initContainers')))
})

test('a signal is sent as the pod’s own user, and an exit code has its rule', () => {
  const signal = notifyContainer(podWith('signal=HUP process=nginx'), webhookSettings)
  assert.ok(signal)
  assert.deepEqual((signal.args as string[]).slice(2), ['--signal=HUP', '--process=nginx'])
  assert.equal((signal.securityContext as { runAsUser?: number }).runAsUser, undefined)
  const exit = notifyContainer(podWith('exit-code=88'), { ...webhookSettings, restartsAllContainers: true })
  assert.deepEqual(exit?.restartPolicyRules, [
    { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [88] } },
  ])
})

test('what cannot work refuses the pod, with what would be right', () => {
  const cases: [string, RegExp][] = [
    ['', /expected at least one of post, signal/],
    ['reload', /found "reload", expected post=URL, signal=NAME process=NAME, exit-code=NUMBER or settle=DURATION/],
    ['post=9000', /post: found "9000", expected a URL/],
    ['signal=HUP', /process: missing; signal needs it/],
    ['exit-code=300', /exit-code: found "300", expected an integer from 1 to 255/],
    ['post=http://127.0.0.1/ settle=soon', /settle: found "soon", expected a duration/],
    ['exit-code=88', /exit-code needs a cluster that restarts all containers.*Kubernetes 1\.37, or 1\.36/],
  ]
  for (const [text, expected] of cases)
    assert.throws(() => notifyContainer(podWith(text), webhookSettings), expected, text)
  const without = podWith('post=http://127.0.0.1/', [])
  assert.throws(() => notifyContainer(without, webhookSettings), /no volume of a SecretProviderClass to watch/)
})
