import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyJsonPatch } from '../../../test/product/webhook/apply-json-patch.ts'
import { webhookSettings } from '../../../test/product/webhook/webhook-settings.ts'
import { textOf } from '../../../test/support/text-of.ts'
import { AdmissionDenied } from './admission-denied.ts'
import { envFilesProblem } from './cluster-features.ts'
import { mutatePod } from './mutate-pod.ts'
import { parsePod } from './parse-pod.ts'
import type { WebhookSettings } from './webhook-settings.ts'

const settings: WebhookSettings = { ...webhookSettings, envFiles: { problem: undefined } }

interface TestContainer {
  name: string
  env?: { name: string; value?: string; valueFrom?: unknown }[]
  volumeMounts?: object[]
  [field: string]: unknown
}

interface TestPod {
  metadata: { name: string; annotations: Record<string, string> }
  spec: {
    initContainers: TestContainer[]
    containers: TestContainer[]
    volumes: { name: string; [source: string]: unknown }[]
    securityContext?: object
  }
}

const volume = (name: string, className: string) => ({
  name,
  csi: { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: className } },
})

function podWith(annotations: Record<string, string>, spec: Partial<TestPod['spec']> = {}): TestPod {
  return {
    metadata: { name: 'web', annotations },
    spec: {
      initContainers: [{ name: 'migrate' }],
      containers: [{ name: 'app', env: [{ name: 'URL', value: 'postgres://app:$(DB_PASSWORD)@db' }] }, { name: 'log' }],
      volumes: [volume('secrets', 'shop')],
      ...spec,
    },
  }
}

function mutate(pod: TestPod, changed: Partial<WebhookSettings> = {}) {
  const { patch, warnings } = mutatePod(
    parsePod(pod),
    { 'azure.workload.identity/client-id': 'client' },
    { ...settings, ...changed },
  )
  const applied = JSON.parse(JSON.stringify(patch)) as typeof patch
  return { patch, warnings, spec: (applyJsonPatch(pod, applied) as TestPod).spec }
}

const fromFile = (name: string) => ({
  name,
  valueFrom: { fileKeyRef: { volumeName: 'keymount-env', path: 'secrets.env', key: name, optional: false } },
})
const fromFiles = ({ env = [] }: TestContainer) =>
  env.filter(({ valueFrom }) => valueFrom !== undefined).map(({ name }) => name)

test('an annotated pod gets a volume in memory, an init container before its own, and variables in every container', () => {
  const { spec, warnings } = mutate(podWith({ 'keymount.dev/env': 'DB_PASSWORD=db-password, API_KEY=keys/api' }))
  assert.deepEqual(
    spec.initContainers.map(({ name }) => name),
    ['keymount-env', 'migrate'],
  )
  assert.deepEqual(
    spec.volumes.find(({ name }) => name === 'keymount-env'),
    {
      name: 'keymount-env',
      emptyDir: { medium: 'Memory', sizeLimit: '1Mi' },
    },
  )
  const [init, migrate] = spec.initContainers
  assert.deepEqual(init?.args, [
    'env-file',
    '--from=/mnt/keymount',
    '--to=/env/secrets.env',
    '--map=DB_PASSWORD=secrets/db-password',
    '--map=API_KEY=secrets/keys/api',
  ])
  assert.deepEqual(init?.volumeMounts, [
    { name: 'secrets', mountPath: '/mnt/keymount/secrets', readOnly: true },
    { name: 'keymount-env', mountPath: '/env' },
  ])
  assert.equal(init?.env, undefined, 'it has no use for a token')
  const variables = [fromFile('DB_PASSWORD'), fromFile('API_KEY')]
  for (const container of [migrate, ...spec.containers]) {
    assert.deepEqual(container?.env?.slice(0, 2), variables, container?.name)
    assert.ok(!container?.volumeMounts?.some((mount) => (mount as { name: string }).name === 'keymount-env'))
  }
  assert.equal(spec.containers[0]?.env?.[2]?.name, 'URL', 'the pod’s own variables may refer to those before them')
  assert.deepEqual(warnings, [])
})

test('a second round of admission changes nothing', () => {
  const pod = podWith({
    'keymount.dev/env': 'DB_PASSWORD=db-password',
    'azure.workload.identity/inject-proxy-sidecar': 'true',
  })
  const { spec } = mutate(pod)
  assert.deepEqual(
    spec.initContainers.map(({ name }) => name),
    ['azwi-proxy', 'azwi-proxy-init', 'keymount-env', 'migrate'],
  )
  const again = mutate({ ...pod, spec })
  assert.deepEqual([again.patch, again.warnings], [[], []])
})

test('an annotation limits the variables to some containers, also to one that gets no token', () => {
  const { spec } = mutate(
    podWith({
      'keymount.dev/env': 'DB_PASSWORD=db-password',
      'keymount.dev/env-containers': 'app, migrate',
      'azure.workload.identity/skip-containers': 'app',
    }),
  )
  assert.deepEqual(spec.containers.map(fromFiles), [['DB_PASSWORD'], []])
  assert.deepEqual(spec.initContainers.map(fromFiles), [[], ['DB_PASSWORD']])
  assert.deepEqual(
    spec.containers[0]?.env?.map(({ name }) => name),
    ['DB_PASSWORD', 'URL'],
  )
})

test('a variable that a container has already stays, and its creator is warned', () => {
  const containers = [{ name: 'app', env: [{ name: 'DB_PASSWORD', value: 'mine' }] }]
  const { spec, warnings } = mutate(podWith({ 'keymount.dev/env': 'DB_PASSWORD=db' }, { containers }))
  assert.deepEqual(spec.containers[0]?.env?.[0], { name: 'DB_PASSWORD', value: 'mine' })
  assert.match(String(warnings), /container app sets DB_PASSWORD itself/)
})

test('with several classes each file is named with its class, and only their volumes are mounted', () => {
  const volumes = [volume('a', 'shop'), volume('b', 'billing'), volume('c', 'other')]
  const { spec } = mutate(podWith({ 'keymount.dev/env': 'A=shop:key,B=billing:key' }, { volumes }))
  const init = spec.initContainers[0]
  assert.deepEqual((init?.args as string[] | undefined)?.slice(3), ['--map=A=a/key', '--map=B=b/key'])
  assert.deepEqual(
    init?.volumeMounts?.map((mount) => (mount as { name: string }).name),
    ['a', 'b', 'keymount-env'],
  )
})

test('the init container runs as the user of the pod, and else as one that is not root', () => {
  const annotations = { 'keymount.dev/env': 'A=key' }
  const userOf = (securityContext: object | undefined) => {
    const { spec } = mutate(podWith(annotations, securityContext === undefined ? {} : { securityContext }))
    return (spec.initContainers[0]?.securityContext as { runAsUser?: number } | undefined)?.runAsUser
  }
  assert.deepEqual(
    [userOf(undefined), userOf({ runAsUser: 1000 }), userOf({ fsGroup: 1 })],
    [65_532, undefined, 65_532],
  )
})

test('what cannot work refuses the pod, with what would be right', () => {
  const two = { volumes: [volume('a', 'shop'), volume('b', 'billing')] }
  const cases: [string, Partial<TestPod['spec']>, RegExp][] = [
    ['', {}, /expected at least one VARIABLE=FILE \[env-annotation-invalid\]$/],
    ['db-password', {}, /found "db-password", expected VARIABLE=FILE or VARIABLE=CLASS:FILE/],
    ['1DB=db', {}, /found "1DB=db"/],
    ['DB=../other/db', {}, /found "DB=\.\.\/other\/db"/],
    ['DB=/etc/passwd', {}, /found "DB=\/etc\/passwd"/],
    ['DB=a,DB=b', {}, /annotation keymount\.dev\/env, DB: given twice/],
    ['DB=other:db', {}, /DB: found "other", expected a class of the pod: shop/],
    ['DB=db', two, /the pod has several classes; expected CLASS:FILE with one of shop, billing/],
    ['DB=db', { volumes: [] }, /the pod has no volume of a SecretProviderClass/],
    ['DB=db', { volumes: [volume('s', 'shop'), { name: 'keymount-env', secret: {} }] }, /the name is taken/],
    [`DB=${'x'.repeat(20_000)}`, {}, /at most 16,384 characters are accepted/],
    [Array.from({ length: 1000 }, (_, i) => `V${i}=f`).join(','), {}, /found 3,000, at most 2,000 are accepted/],
  ]
  for (const [text, spec, expected] of cases)
    assert.throws(() => mutate(podWith({ 'keymount.dev/env': text }, spec)), expected, text)
  const unknown = { 'keymount.dev/env': 'DB=db', 'keymount.dev/env-containers': 'web' }
  assert.throws(
    () => mutate(podWith(unknown)),
    /env-containers: found "web", expected a container of the pod: migrate, app, log/,
  )
})

test('a message names ten classes or containers, once for all words, and the containers have a limit of their own', () => {
  const volumes = Array.from({ length: 10_000 }, (_, i) => volume(`v${i}`, `c${i}`))
  const words = Array.from({ length: 1200 }, (_, i) => `V${i}=f`).join(',')
  for (const text of [words, words.replaceAll('=', '=no:')])
    assert.throws(
      () => mutate(podWith({ 'keymount.dev/env': text }, { volumes })),
      (error: Error) => {
        assert.match(error.message, /(one of|class of the pod:) c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 9990 more;/)
        return error.message.length < 20_000
      },
    )
  const containers = Array.from({ length: 500 }, (_, i) => ({ name: `app-${i}` }))
  const chosen = (text: string) =>
    mutate(podWith({ 'keymount.dev/env': 'DB=db', 'keymount.dev/env-containers': text }, { containers }))
  assert.throws(() => chosen('none'), /: migrate, app-0, .*app-8 and 491 more \[/)
  const unique = Array.from({ length: 5000 }, (_, i) => i.toString(36)).join(',')
  assert.throws(
    () => chosen(unique),
    /env-containers of a pod: found 18,667 characters, at most 16,384 characters are accepted/,
  )
})

test('a cluster that cannot do it refuses the pod with the version that was found', () => {
  const pod = podWith({ 'keymount.dev/env': 'DB=db' })
  assert.throws(() => mutate(pod, { envFiles: undefined }), /\[env-not-enabled\]$/)
  const problem = envFilesProblem({ major: '1', minor: '34', gitVersion: 'v1.34.4' })
  assert.throws(
    () => mutate(pod, { envFiles: { problem } }),
    /need Kubernetes 1\.35 or newer, and the API server is v1\.34\.4 \[env-not-supported\]$/,
  )
  assert.equal(envFilesProblem({ major: '1', minor: '35+' }), undefined)
  assert.deepEqual(mutate(podWith({}), { envFiles: undefined }).warnings, [])
})

test('any text of the annotation is refused, or mounts files of the pod’s own volumes alone', () => {
  const word = fc.constantFrom('DB', '=', ':', ',', '/', '..', 'shop', 'db', ' ', '--to', '\n', 'other')
  const text = fc.oneof(textOf(word, { maxLength: 12 }), fc.string())
  fc.assert(
    fc.property(text, (annotation) => {
      let spec: TestPod['spec']
      try {
        spec = mutate(podWith({ 'keymount.dev/env': annotation })).spec
      } catch (error) {
        assert.ok(error instanceof AdmissionDenied)
        assert.match(error.message, /\[env-annotation-invalid\]$/)
        return
      }
      const maps = (spec.initContainers[0]?.args as string[] | undefined)?.slice(3) ?? []
      assert.ok(maps.length > 0)
      for (const map of maps) assert.match(map, /^--map=[A-Za-z_]\w*=secrets\/(?!\.\.?(\/|$))[^/]/)
    }),
  )
})
