import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { applyJsonPatch } from '../../../test/product/webhook/apply-json-patch.ts'
import { webhookSettings } from '../../../test/product/webhook/webhook-settings.ts'
import type { Annotations } from './identity-request.ts'
import { mutatePod } from './mutate-pod.ts'
import { parsePod } from './parse-pod.ts'
import type { TokenEndpoint, WebhookSettings } from './webhook-settings.ts'

const key = (name: string) => `azure.workload.identity/${name}`
const settings: WebhookSettings = {
  ...webhookSettings,
  tenantId: 'tenant-of-webhook',
  proxy: { ...webhookSettings.proxy, image: 'proxy:v1', initImage: 'proxy-init:v1' },
}
const account: Annotations = { [key('client-id')]: 'client' }

interface TestContainer {
  name: string
  env?: { name: string; value?: string; valueFrom?: unknown }[]
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[]
  [field: string]: unknown
}

interface TestPod {
  metadata: Record<string, unknown>
  spec: {
    containers: TestContainer[]
    initContainers?: TestContainer[]
    volumes?: { name: string; [source: string]: unknown }[]
    [field: string]: unknown
  }
}

function podWith(spec: Partial<TestPod['spec']> = {}, annotations?: Record<string, string>): TestPod {
  return {
    metadata: { name: 'pod', ...(annotations === undefined ? {} : { annotations }) },
    spec: { containers: [{ name: 'app' }], ...spec },
  }
}

function mutate(pod: unknown, given: { account?: Annotations; settings?: Partial<WebhookSettings> } = {}) {
  const mutation = mutatePod(parsePod(pod), given.account ?? account, { ...settings, ...given.settings })
  // As it travels: fields that are undefined are absent.
  const { patch, warnings } = JSON.parse(JSON.stringify(mutation)) as typeof mutation
  return { patch, warnings, pod: applyJsonPatch(pod, patch) as TestPod }
}

const volumeName = `azure-workload-identity-reserved-${createHash('sha256').update('pod').digest('hex').slice(0, 30)}`
const mount = { name: volumeName, mountPath: '/var/run/secrets/azure/wi', readOnly: true }
const tokenFile = '/var/run/secrets/azure/wi/token/azure-identity-token'
const env = [
  { name: 'AZURE_CLIENT_ID', value: 'client' },
  { name: 'AZURE_TENANT_ID', value: 'tenant-of-webhook' },
  { name: 'AZURE_FEDERATED_TOKEN_FILE', value: tokenFile },
  { name: 'AZURE_AUTHORITY_HOST', value: 'https://login.microsoftonline.com/' },
]
const tokenSource = (rest: object = {}) => ({
  serviceAccountToken: {
    path: 'token/azure-identity-token',
    expirationSeconds: 3600,
    audience: 'api://AzureADTokenExchange',
    ...rest,
  },
})
/** What the first volume of a pod is projected from. */
function sourcesOf({ spec }: Pick<TestPod, 'spec'>): unknown[] {
  const projected = spec.volumes?.[0]?.projected as { sources: unknown[] } | undefined
  return projected?.sources ?? []
}
const names = (list: { name: string }[] = []) => list.map(({ name }) => name)

describe('a labelled pod', () => {
  test('gets environment, mount and volume in every container', () => {
    const { pod, warnings } = mutate(podWith({ initContainers: [{ name: 'init' }] }))
    for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
      assert.deepEqual(container.env, env)
      assert.deepEqual(container.volumeMounts, [mount])
    }
    assert.deepEqual(pod.spec.volumes, [{ name: volumeName, projected: { sources: [tokenSource()] } }])
    assert.deepEqual(warnings, [])
  })

  test('has a volume whose name is made of its prefix while it has no name', () => {
    const { pod } = mutate({ metadata: { generateName: 'web-' }, spec: { containers: [{ name: 'app' }] } })
    const digest = createHash('sha256').update('web- (prefix)').digest('hex')
    assert.deepEqual(names(pod.spec.volumes), [`azure-workload-identity-reserved-${digest.slice(0, 30)}`])
    assert.equal(names(pod.spec.volumes)[0]?.length, 63)
  })

  test('keeps fields that this webhook has never heard of', () => {
    const given = podWith({
      futureField: { a: 1 },
      initContainers: [{ name: 'side', restartPolicy: 'Always', newField: [] }],
    })
    const { pod, patch } = mutate(given)
    assert.deepEqual(pod.spec.futureField, { a: 1 })
    assert.equal(pod.spec.initContainers?.[0]?.restartPolicy, 'Always')
    assert.deepEqual(pod.spec.initContainers?.[0]?.newField, [])
    assert.ok(patch.every(({ op }) => ['add', 'replace'].includes(op)))
  })

  test('whose lists are null gets new ones', () => {
    const { pod } = mutate({
      metadata: { name: 'pod' },
      spec: { volumes: null, containers: [{ name: 'app', env: null, volumeMounts: null }] },
    })
    assert.deepEqual(pod.spec.containers[0]?.env, env)
    assert.deepEqual(names(pod.spec.volumes), [volumeName])
  })

  test('keeps variables that it has, by value or by reference, and gets the others behind them', () => {
    const own = [
      { name: 'AZURE_TENANT_ID', value: 'mine' },
      { name: 'AZURE_CLIENT_ID', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
      { name: 'OTHER', value: 'x' },
    ]
    const { pod } = mutate(podWith({ containers: [{ name: 'app', env: own }] }))
    assert.deepEqual(pod.spec.containers[0]?.env, [...own, env[2], env[3]])
  })

  test('keeps its other mounts and volumes in front', () => {
    const { pod } = mutate(
      podWith({
        containers: [{ name: 'app', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
        volumes: [{ name: 'data', emptyDir: {} }],
      }),
    )
    assert.deepEqual(pod.spec.containers[0]?.volumeMounts, [{ name: 'data', mountPath: '/data' }, mount])
    assert.deepEqual(names(pod.spec.volumes), ['data', volumeName])
  })

  test('has its reserved volume overwritten when it differs', () => {
    const volumes = [{ name: volumeName, projected: { sources: [tokenSource({ audience: 'other' })] } }]
    const { pod } = mutate(podWith({ volumes }))
    assert.deepEqual(pod.spec.volumes, [{ name: volumeName, projected: { sources: [tokenSource()] } }])
  })

  test('has its reserved volume once, when it is there already', () => {
    const volumes = [{ name: volumeName, projected: { sources: [tokenSource()] } }]
    const { pod, patch } = mutate(podWith({ volumes }))
    assert.deepEqual(pod.spec.volumes, volumes)
    assert.ok(patch.every(({ path }) => !path.startsWith('/spec/volumes')))
  })

  test('whose lists are empty gets them filled', () => {
    const { pod } = mutate(podWith({ volumes: [], containers: [{ name: 'app', env: [], volumeMounts: [] }] }))
    assert.deepEqual(pod.spec.containers, [{ name: 'app', env, volumeMounts: [mount] }])
    assert.deepEqual(names(pod.spec.volumes), [volumeName])
  })

  test('without any container gets the volume alone', () => {
    const { patch } = mutate({ metadata: { name: 'pod' }, spec: { containers: [] } })
    assert.deepEqual(
      patch.map(({ path }) => path),
      ['/spec/volumes'],
    )
  })

  test('of Windows gets the same: environment, mount and volume', () => {
    const spec = { os: { name: 'windows' }, nodeSelector: { 'kubernetes.io/os': 'windows' } }
    const { pod } = mutate(podWith(spec))
    assert.deepEqual(pod.spec.containers, [{ name: 'app', env, volumeMounts: [mount] }])
    assert.deepEqual(names(pod.spec.volumes), [volumeName])
  })

  test('has its ephemeral containers left alone', () => {
    const ephemeralContainers = [{ name: 'debug', image: 'busybox', targetContainerName: 'app' }]
    const { pod } = mutate(podWith({ ephemeralContainers }))
    assert.deepEqual(pod.spec.ephemeralContainers, ephemeralContainers)
  })

  test('has a mount of its reserved volume brought into line', () => {
    const volumeMounts = [{ name: volumeName, mountPath: '/elsewhere' }]
    const { pod } = mutate(podWith({ containers: [{ name: 'app', volumeMounts }] }))
    assert.deepEqual(pod.spec.containers[0]?.volumeMounts, [mount])
  })

  test('that is a copy of another one mounts its own volume instead of the copied one', () => {
    const copied = { ...mount, name: 'azure-workload-identity-reserved-000000' }
    const { pod } = mutate(podWith({ containers: [{ name: 'app', volumeMounts: [copied] }] }))
    assert.deepEqual(pod.spec.containers[0]?.volumeMounts, [mount])
  })

  test('keeps a volume of its own at the path of the token, and its creator is warned', () => {
    const volumeMounts = [{ name: 'mine', mountPath: '/var/run/secrets/azure/wi/' }]
    const { pod, warnings } = mutate(podWith({ containers: [{ name: 'app', volumeMounts }] }))
    assert.deepEqual(pod.spec.containers[0]?.volumeMounts, volumeMounts)
    assert.match(warnings.join(), /container app mounts its own volume mine/)
  })
})

describe('client and tenant', () => {
  const envOf = (annotations: Annotations, rest: Partial<WebhookSettings> = {}) =>
    Object.fromEntries(
      (mutate(podWith(), { account: annotations, settings: rest }).pod.spec.containers[0]?.env ?? []).map((v) => [
        v.name,
        v.value,
      ]),
    )

  for (const annotations of [{}, { [key('client-id')]: '' }] as Annotations[]) {
    test(`${JSON.stringify(annotations)}: no client is injected, with a warning`, () => {
      assert.ok(!('AZURE_CLIENT_ID' in envOf(annotations)))
      assert.match(
        mutate(podWith(), { account: annotations }).warnings.join(),
        /service account default has no annotation azure.workload.identity\/client-id/,
      )
    })
  }
  test("the tenant is the service account's, else the webhook's; empty text counts", () => {
    assert.equal(envOf({ [key('tenant-id')]: 'theirs' }).AZURE_TENANT_ID, 'theirs')
    assert.equal(envOf({}).AZURE_TENANT_ID, 'tenant-of-webhook')
    assert.ok(!('AZURE_TENANT_ID' in envOf({ [key('tenant-id')]: '' })))
  })
})

describe('the life of the token', () => {
  const expiration = key('service-account-token-expiration')
  const secondsOf = (onPod: string | undefined, onAccount: string | undefined) => {
    const { pod } = mutate(podWith({}, onPod === undefined ? undefined : { [expiration]: onPod }), {
      account: { ...account, ...(onAccount === undefined ? {} : { [expiration]: onAccount }) },
    })
    return (sourcesOf(pod) as ReturnType<typeof tokenSource>[])[0]?.serviceAccountToken.expirationSeconds
  }
  const rows: [onPod: string | undefined, onAccount: string | undefined, seconds: number][] = [
    [undefined, undefined, 3600],
    ['', '', 3600],
    [undefined, '4800', 4800],
    ['', '4800', 4800],
    ['86400', '4800', 86_400],
    ['+3600', undefined, 3600],
  ]
  for (const [onPod, onAccount, seconds] of rows) {
    test(`pod ${onPod}, service account ${onAccount}: ${seconds} s`, () => {
      assert.equal(secondsOf(onPod, onAccount), seconds)
    })
  }
  const refused: [text: string, message: string][] = [
    ['invalid', 'strconv.ParseInt: parsing "invalid": invalid syntax'],
    ['3600.5', 'strconv.ParseInt: parsing "3600.5": invalid syntax'],
    ['99999999999999999999', 'strconv.ParseInt: parsing "99999999999999999999": value out of range'],
    ['100', 'token expiration 100 not valid. Expected value to be between 3600 and 86400'],
    ['3599', 'token expiration 3599 not valid. Expected value to be between 3600 and 86400'],
    ['86401', 'token expiration 86401 not valid. Expected value to be between 3600 and 86400'],
    ['-1', 'token expiration -1 not valid. Expected value to be between 3600 and 86400'],
  ]
  for (const [text, message] of refused) {
    test(`"${text}" is refused on the pod and on the service account, naming the object`, () => {
      const starts = (owner: string) => (error: Error) =>
        error.message.startsWith(message) && error.message.includes(owner)
      assert.throws(() => secondsOf(text, undefined), starts('of the pod'))
      assert.throws(() => secondsOf(undefined, text), starts('of service account default'))
    })
  }
})

describe('skip-containers', () => {
  for (const [text, skipped] of [
    ['', []],
    ['a', ['a']],
    ['a;', ['a']],
    ['a;i', ['a', 'i']],
    [' a ; b ', ['a', 'b']],
    ['a;b;i', ['a', 'b', 'i']],
  ] as const) {
    test(`"${text}" leaves ${skipped.join(' and ') || 'none'} untouched; the volume is added nevertheless`, () => {
      const given = podWith(
        { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] },
        { [key('skip-containers')]: text },
      )
      const { pod } = mutate(given)
      const untouched = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].filter(
        ({ env }) => env === undefined,
      )
      assert.deepEqual(names(untouched), skipped)
      assert.deepEqual(names(pod.spec.volumes), [volumeName])
    })
  }
})

describe('the proxy sidecar', () => {
  const inject = { [key('inject-proxy-sidecar')]: 'true' }
  const old: Partial<WebhookSettings> = { proxy: { ...settings.proxy, nativeSidecar: false } }

  test('is the first init container, its init step the second, both with the token', () => {
    const { pod } = mutate(podWith({ initContainers: [{ name: 'init' }] }, inject))
    assert.deepEqual(names(pod.spec.initContainers), ['azwi-proxy', 'azwi-proxy-init', 'init'])
    assert.deepEqual(names(pod.spec.containers), ['app'])
    const [proxy, init] = pod.spec.initContainers ?? []
    assert.deepEqual(proxy, {
      name: 'azwi-proxy',
      image: 'proxy:v1',
      imagePullPolicy: 'IfNotPresent',
      args: ['proxy', '--proxy-port=8000', '--log-level=info'],
      ports: [{ containerPort: 8000 }],
      lifecycle: { postStart: { exec: { command: ['/proxy', '--probe', '--proxy-port=8000', '--log-level=info'] } } },
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        privileged: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        runAsUser: 1501,
        runAsGroup: 1501,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      restartPolicy: 'Always',
      env,
      volumeMounts: [mount],
    })
    assert.deepEqual(init, {
      name: 'azwi-proxy-init',
      image: 'proxy-init:v1',
      imagePullPolicy: 'IfNotPresent',
      args: ['proxy-init'],
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
        privileged: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: false,
        runAsUser: 0,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      env: [{ name: 'PROXY_PORT', value: '8000' }, ...env],
      volumeMounts: [mount],
    })
  })

  test('gets the flags and the environment that the administrator gives it, and its init step does not', () => {
    const own = [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }]
    const { pod } = mutate(podWith({}, inject), {
      settings: { proxy: { ...settings.proxy, extraArgs: ['--x'], env: own } },
    })
    const [proxy, init] = pod.spec.initContainers ?? []
    assert.deepEqual(proxy?.args, ['proxy', '--proxy-port=8000', '--log-level=info', '--x'])
    assert.deepEqual(init?.args, ['proxy-init'])
    assert.deepEqual(proxy?.env, [...own, ...env])
    assert.deepEqual(init?.env, [{ name: 'PROXY_PORT', value: '8000' }, ...env])
  })

  test('of a server without sidecars is the first container, its init step the last', () => {
    const { pod } = mutate(podWith({ initContainers: [{ name: 'init' }] }, inject), { settings: old })
    assert.deepEqual(names(pod.spec.initContainers), ['init', 'azwi-proxy-init'])
    assert.deepEqual(names(pod.spec.containers), ['azwi-proxy', 'app'])
    assert.ok(!('restartPolicy' in (pod.spec.containers[0] ?? {})))
    assert.deepEqual(pod.spec.containers[1]?.env, env)
  })

  test('creates the list of init containers for a pod without one', () => {
    const { pod } = mutate(podWith({}, inject))
    assert.deepEqual(names(pod.spec.initContainers), ['azwi-proxy', 'azwi-proxy-init'])
  })

  test('that is there already stays as it is', () => {
    const initContainers = [
      { name: 'azwi-proxy', image: 'mine' },
      { name: 'azwi-proxy-init', image: 'mine' },
    ]
    const { pod } = mutate(podWith({ initContainers }, inject))
    assert.deepEqual(
      pod.spec.initContainers?.map(({ name, image }) => ({ name, image })),
      initContainers,
    )
  })

  test('is not mutated when it is skipped', () => {
    const { pod } = mutate(podWith({}, { ...inject, [key('skip-containers')]: 'azwi-proxy;azwi-proxy-init' }))
    assert.ok(pod.spec.initContainers?.every(({ volumeMounts }) => volumeMounts === undefined))
  })

  for (const value of ['', 'false', 'no']) {
    test(`is injected by the annotation's presence: "${value}"`, () => {
      const { pod, warnings } = mutate(podWith({}, { [key('inject-proxy-sidecar')]: value }))
      assert.deepEqual(names(pod.spec.initContainers), ['azwi-proxy', 'azwi-proxy-init'])
      assert.equal(warnings.length, value === 'false' ? 1 : 0)
    })
  }

  test('is not injected by other annotations', () => {
    const { pod } = mutate(podWith({}, { other: 'x', [key('proxy-sidecar-port')]: 'invalid' }))
    assert.equal(pod.spec.initContainers, undefined)
  })

  test('has the resources of the settings, so that a namespace with a quota admits it', () => {
    const resources = { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } }
    const initResources = { limits: { memory: '64Mi' } }
    for (const nativeSidecar of [true, false]) {
      const proxy = { ...settings.proxy, nativeSidecar, resources, initResources }
      const { pod } = mutate(podWith({}, inject), { settings: { proxy } })
      const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
      assert.deepEqual(Object.fromEntries(containers.map((container) => [container.name, container.resources])), {
        'azwi-proxy': resources,
        'azwi-proxy-init': initResources,
        app: undefined,
      })
    }
  })

  const port = (text: string) => ({ ...inject, [key('proxy-sidecar-port')]: text })
  test('listens on the port of the annotation', () => {
    const { pod } = mutate(podWith({}, port('8080')))
    assert.deepEqual(pod.spec.initContainers?.[0]?.ports, [{ containerPort: 8080 }])
    assert.deepEqual(pod.spec.initContainers?.[1]?.env?.[0], { name: 'PROXY_PORT', value: '8080' })
  })
  for (const [text, message] of [
    ['invalid', 'failed to parse proxy sidecar port: strconv.ParseInt: parsing "invalid": invalid syntax'],
    ['', 'failed to parse proxy sidecar port: strconv.ParseInt: parsing "": invalid syntax'],
    ['3000000000', 'failed to parse proxy sidecar port: strconv.ParseInt: parsing "3000000000": value out of range'],
    ['0', 'proxy sidecar port 0 not valid'],
    ['65536', 'proxy sidecar port 65536 not valid'],
  ] as const) {
    test(`with port "${text}" is refused`, () => {
      assert.throws(
        () => mutate(podWith({}, port(text))),
        (error: Error) => error.message.startsWith(message),
      )
    })
  }

  test('on the network of the node is refused, before anything else that is wrong', () => {
    const annotations = { ...port('invalid'), [key('service-account-token-expiration')]: 'invalid' }
    assert.throws(() => mutate(podWith({ hostNetwork: true }, annotations)), {
      message: 'hostNetwork is set to true, cannot inject proxy sidecar',
      code: 400,
    })
    assert.throws(() => mutate(podWith({}, annotations)), /failed to parse proxy sidecar port/)
  })
})

describe('a token endpoint of the administrator', () => {
  const endpoint: TokenEndpoint = {
    annotation: key('use-identity-binding'),
    audience: 'api://AKSIdentityBinding',
    proxyUrl: 'https://kubernetes.default.svc',
    sniName: 'sni.example',
    trust: { kind: 'configMap', name: 'kube-root-ca.crt' },
  }
  const using = (trust: TokenEndpoint['trust'], value = 'True') =>
    mutate(podWith({}, { [endpoint.annotation]: value }), { settings: { tokenEndpoint: { ...endpoint, trust } } }).pod
      .spec
  const extra = ({ containers }: TestPod['spec']) => containers[0]?.env?.slice(4)
  const url = { name: 'AZURE_KUBERNETES_TOKEN_PROXY', value: endpoint.proxyUrl }
  const sni = { name: 'AZURE_KUBERNETES_SNI_NAME', value: endpoint.sniName }
  const file = { name: 'AZURE_KUBERNETES_CA_FILE', value: '/var/run/secrets/azure/wi/ca-cert/ca.crt' }
  const token = tokenSource({ audience: endpoint.audience })

  test('is trusted by a ConfigMap', () => {
    const spec = using(endpoint.trust)
    assert.deepEqual(extra(spec), [url, sni, file])
    const configMap = { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca-cert/ca.crt' }], optional: false }
    assert.deepEqual(sourcesOf({ spec }), [token, { configMap }])
  })
  test('is trusted by a ClusterTrustBundle', () => {
    const labelSelector = { matchLabels: { a: 'b' } }
    const spec = using({ kind: 'trustBundle', signerName: 'example.com/s', labelSelector })
    assert.deepEqual(extra(spec), [url, sni, file])
    const clusterTrustBundle = { signerName: 'example.com/s', labelSelector, path: 'ca-cert/ca.crt', optional: false }
    assert.deepEqual(sourcesOf({ spec }), [token, { clusterTrustBundle }])
  })
  test('is trusted by data, without a file that SDKs would refuse beside it', () => {
    const spec = using({ kind: 'data', pem: 'PEM' })
    assert.deepEqual(extra(spec), [url, sni, { name: 'AZURE_KUBERNETES_CA_DATA', value: 'PEM' }])
    assert.deepEqual(sourcesOf({ spec }), [token])
  })
  test('is trusted as the system trusts, without a file that does not exist', () => {
    assert.deepEqual(extra(using({ kind: 'system' })), [url, sni])
  })
  test('is not used by pods that do not ask for it', () => {
    assert.deepEqual(extra(using(endpoint.trust, 'false')), [])
    assert.deepEqual(sourcesOf({ spec: using(endpoint.trust, 'false') }), [tokenSource()])
  })
  test('excludes the proxy sidecar', () => {
    const annotations = { [endpoint.annotation]: 'true', [key('inject-proxy-sidecar')]: 'true' }
    assert.throws(
      () => mutate(podWith({}, annotations), { settings: { tokenEndpoint: endpoint } }),
      /exclude each other/,
    )
  })
  test('that does not exist is missed with a warning', () => {
    const { warnings, pod } = mutate(podWith({}, { [endpoint.annotation]: 'true' }))
    assert.match(warnings.join(), /has no effect/)
    assert.deepEqual(extra(pod.spec), [])
  })
})

test('the legacy path has the same token in a second mount', () => {
  const { pod } = mutate(podWith(), { settings: { legacyTokenPath: true } })
  const legacy = { name: volumeName, mountPath: '/var/run/secrets/azure/tokens', readOnly: true }
  assert.deepEqual(pod.spec.containers[0]?.volumeMounts, [mount, legacy])
  assert.deepEqual(pod.spec.volumes?.[0]?.projected, {
    sources: [tokenSource(), tokenSource({ path: 'azure-identity-token' })],
  })
})

describe('a pod that cannot be decoded', () => {
  for (const nothing of [undefined, null]) {
    test(`${nothing}`, () => {
      assert.throws(() => parsePod(nothing), { message: 'there is no content to decode', code: 400 })
    })
  }
  test('names everything that has the wrong shape', () => {
    assert.throws(
      () => parsePod({ metadata: { name: 1, annotations: { a: 2 } }, spec: { containers: ['x'], volumes: {} } }),
      /spec.containers\[0\]: found string.*spec.volumes: found object.*annotations\[a\]: found number.*metadata.name: found number/,
    )
  })
})

/** Containers of every kind, some of which look as if the webhook had been there. */
const anyContainer = fc.record(
  {
    name: fc.constantFrom('app', 'web', 'azwi-proxy', 'azwi-proxy-init', 'side'),
    env: fc.array(
      fc.record(
        {
          name: fc.constantFrom('AZURE_CLIENT_ID', 'AZURE_TENANT_ID', 'AZURE_KUBERNETES_SNI_NAME', 'X', 'Y'),
          value: fc.string(),
          valueFrom: fc.constant({ secretKeyRef: { name: 's', key: 'k' } }),
        },
        { requiredKeys: ['name'] },
      ),
      { maxLength: 3 },
    ),
    envFrom: fc.constant([{ configMapRef: { name: 'c' } }]),
    volumeMounts: fc.array(
      fc.record(
        {
          name: fc.constantFrom('data', volumeName, 'azure-workload-identity-reserved-0'),
          mountPath: fc.constantFrom('/data', '/var/run/secrets/azure/wi', '/var/run/secrets/azure/tokens/', '/x'),
          readOnly: fc.boolean(),
          subPath: fc.constant('sub'),
        },
        { requiredKeys: ['name', 'mountPath'] },
      ),
      { maxLength: 3 },
    ),
    restartPolicy: fc.constant('Always'),
    futureField: fc.jsonValue(),
  },
  { requiredKeys: ['name'] },
)
const anyPod = fc.record({
  metadata: fc.record({
    name: fc.constant('pod'),
    annotations: fc.dictionary(
      fc.constantFrom(key('inject-proxy-sidecar'), key('skip-containers'), key('use-identity-binding'), 'other'),
      fc.constantFrom('true', 'app;web', 'azwi-proxy', 'side; azwi-proxy-init'),
    ),
  }),
  spec: fc.record(
    {
      containers: fc.array(anyContainer, { maxLength: 3 }),
      initContainers: fc.array(anyContainer, { maxLength: 3 }),
      ephemeralContainers: fc.array(anyContainer, { maxLength: 2 }),
      volumes: fc.uniqueArray(fc.record({ name: fc.constantFrom('data', volumeName), emptyDir: fc.constant({}) }), {
        selector: ({ name: unique }) => unique,
      }),
      os: fc.constantFrom({ name: 'linux' }, { name: 'windows' }),
      serviceAccountName: fc.constantFrom('app', 'other'),
      futureField: fc.jsonValue(),
    },
    { requiredKeys: ['containers'] },
  ),
})
const anyGiven = fc.record({
  account: fc.dictionary(fc.constantFrom(key('client-id'), key('tenant-id'), 'other'), fc.constantFrom('', 'x', 'y')),
  settings: fc.record({
    legacyTokenPath: fc.boolean(),
    proxy: fc.boolean().map((nativeSidecar) => ({ ...settings.proxy, nativeSidecar })),
    tokenEndpoint: fc.constantFrom(undefined, {
      annotation: key('use-identity-binding'),
      audience: 'api://AKSIdentityBinding',
      proxyUrl: 'https://kubernetes.default.svc',
      sniName: 'sni.example',
      trust: { kind: 'configMap' as const, name: 'kube-root-ca.crt' },
    }),
  }),
})

type AnyPod = typeof anyPod extends fc.Arbitrary<infer T> ? T : never
type Given = typeof anyGiven extends fc.Arbitrary<infer T> ? T : never

/** For any pod that the webhook does not refuse. */
function forAnyPod(check: (pod: AnyPod, given: Given) => void): void {
  fc.assert(
    fc.property(anyPod, anyGiven, (pod, given) => {
      // The one combination of these annotations that is refused.
      const refused =
        given.settings.tokenEndpoint !== undefined &&
        pod.metadata.annotations[key('use-identity-binding')] === 'true' &&
        Object.hasOwn(pod.metadata.annotations, key('inject-proxy-sidecar'))
      fc.pre(!refused)
      // As it comes over the wire.
      check(JSON.parse(JSON.stringify(pod)) as AnyPod, given)
    }),
  )
}

const listNames = ['containers', 'initContainers'] as const

describe('of any pod', () => {
  test('a second round changes nothing, even after the API server has filled in defaults', () => {
    forAnyPod((pod, given) => {
      const once = mutate(pod, given).pod
      for (const volume of once.spec.volumes ?? []) {
        if (volume.name === volumeName) Object.assign(volume.projected as object, { defaultMode: 420 })
      }
      assert.deepEqual(mutate(once, given).patch, [])
    })
  })

  test('nothing that is not ours is touched, and the order of containers is kept', () => {
    forAnyPod((pod, given) => {
      assert.deepEqual(stripped(mutate(pod, given).pod, pod), stripped(pod, pod))
    })
  })

  test('the patch only adds and replaces, and only volumes, environment, mounts and containers of ours', () => {
    const container = '/spec/(containers|initContainers)(/\\d+)?'
    const ours = new RegExp(`^(/spec/volumes(/-|/\\d+)?|${container}|${container}/(env|volumeMounts)(/-|/\\d+)?)$`)
    forAnyPod((pod, given) => {
      for (const { op, path } of mutate(pod, given).patch) {
        assert.match(op, /^(add|replace)$/)
        assert.match(path, ours)
      }
    })
  })

  test('variables of the user stay as they are, in front and in their order', () => {
    forAnyPod((pod, given) => {
      const { spec } = mutate(pod, given).pod
      for (const list of listNames) {
        const before = pod.spec[list] ?? []
        const after = (spec[list] ?? []).filter(({ image }) => image === undefined)
        assert.equal(after.length, before.length)
        for (const [i, { env: variables = [] }] of before.entries()) {
          assert.deepEqual(after[i]?.env?.slice(0, variables.length) ?? [], variables)
        }
      }
    })
  })

  test('every container that is not skipped can sign in, and those that are skipped are as they were', () => {
    forAnyPod((pod, given) => {
      const { pod: mutated, warnings } = mutate(pod, given)
      const skipped = (pod.metadata.annotations[key('skip-containers')] ?? '').split(';').map((text) => text.trim())
      for (const list of listNames) {
        const before = pod.spec[list] ?? []
        const after = (mutated.spec[list] ?? []).filter(({ image }) => image === undefined)
        for (const [i, container] of after.entries()) {
          if (skipped.includes(container.name)) assert.deepEqual(container, before[i])
          else {
            assert.ok(names(container.env).includes('AZURE_FEDERATED_TOKEN_FILE'))
            const mounts = (container.volumeMounts ?? []).filter(({ mountPath }) => mountPath === mount.mountPath)
            const mounted = mounts.some(({ name }) => name === volumeName)
            assert.ok(mounted || warnings.some((text) => text.startsWith(`container ${container.name} mounts its own`)))
          }
        }
      }
      assert.equal(names(mutated.spec.volumes).filter((name) => name === volumeName).length, 1)
    })
  })
})

/** A pod without its variables, and without what the webhook may add or bring into line: what is left must be as it was. */
function stripped(pod: unknown, original: AnyPod) {
  const copy = structuredClone(pod) as TestPod
  const ours = (volume: string) => volume.startsWith('azure-workload-identity-reserved-')
  for (const list of listNames) {
    const before = names(original.spec[list])
    copy.spec[list] = (copy.spec[list] ?? [])
      .filter(({ name }) => !name.startsWith('azwi-') || before.includes(name))
      .map(({ env: _, volumeMounts = [], ...rest }) => ({
        ...rest,
        volumeMounts: volumeMounts.filter(({ name }) => !ours(name)),
      }))
  }
  copy.spec.volumes = (copy.spec.volumes ?? []).filter(({ name: volume }) => !ours(volume))
  return copy
}
