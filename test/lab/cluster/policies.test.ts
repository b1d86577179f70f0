import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { type TestContext, test } from 'node:test'
import { listen } from '#lib/http'
import { openCertificateAuthority } from '../../../src/lab/azure/certificates/certificate-authority.ts'
import { noHelm } from '../../e2e/real-cluster-only.ts'
import { template } from '../../packaging/charts/helm.ts'
import { findKubectl, kubectlFor, kubectlMissing } from '../../support/kubectl.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { widgetDefinition } from './widgets.ts'

// What the local cluster refuses, and its words, are those of a real API server.
const program = findKubectl()
const options: { skip?: string } = program === undefined ? { skip: kubectlMissing } : {}

async function start(t: TestContext) {
  const cluster = await startLocalCluster(t, { node: false })
  const kubectl = kubectlFor(program ?? '', { kubeconfig: cluster.kubeconfig, cacheDir: `${cluster.stateDir}/kubectl` })
  const answer = async (command: string, input?: unknown) => {
    const { status, stdout, stderr } = await kubectl(command.split(' '), input)
    return { status, text: `${stdout}${stderr}`.trim() }
  }
  return {
    /** What kubectl prints for a manifest that must be accepted. */
    async accepts(...objects: object[]): Promise<string> {
      const { status, text } = await answer('apply -f -', { apiVersion: 'v1', kind: 'List', items: objects })
      assert.equal(status, 0, text)
      return text
    },
    /** What kubectl prints for one that must be refused. */
    async refuses(object: object): Promise<string> {
      const { status, text } = await answer('apply -f -', object)
      assert.equal(status, 1, text)
      return text
    },
    run: answer,
  }
}

const policyKind = 'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy'

const policy = (name: string, spec: object) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name },
  spec: {
    matchConstraints: {
      resourceRules: [
        { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
      ],
    },
    ...spec,
  },
})

const binding = (policyName: string, spec: object = {}) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  metadata: { name: `${policyName}-binding` },
  spec: { policyName, validationActions: ['Deny'], ...spec },
})

const configMap = (name: string, data: Record<string, string>, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels },
  data,
})

test(
  'a policy refuses what its expressions do not hold for, at creations, updates and deletions',
  options,
  async (t) => {
    const { accepts, refuses, run } = await start(t)
    await accepts(
      policy('small', {
        variables: [{ name: 'keys', expression: 'has(object.data) ? object.data.map(key, key) : []' }],
        validations: [
          {
            expression: 'variables.keys.size() <= 2',
            messageExpression: "'has ' + string(variables.keys.size()) + ' keys'",
          },
          { expression: "request.operation == 'CREATE' || object.metadata.name == oldObject.metadata.name" },
          { expression: "!('secret' in variables.keys)", message: 'keep secrets elsewhere', reason: 'Forbidden' },
        ],
      }),
      binding('small'),
    )
    await accepts(configMap('good', { a: '1' }))
    assert.match(
      await refuses(configMap('bad', { a: '1', b: '2', c: '3' })),
      /The configmaps "bad" is invalid: : ValidatingAdmissionPolicy 'small' with binding 'small-binding' denied request: has 3 keys/,
    )
    assert.match(await refuses(configMap('good', { secret: 'x' })), /denied request: keep secrets elsewhere/)
    const patched = await run('patch configmap good --type=merge -p {"data":{"b":"2","c":"3"}}')
    assert.equal(patched.status, 1)
    assert.match(patched.text, /denied request: has 3 keys/)
    assert.equal((await run('get configmap bad --ignore-not-found')).text, '')

    await accepts(
      policy('lasting', {
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['configmaps'] }],
        },
        matchConditions: [{ name: 'marked', expression: "oldObject.metadata.?labels.?keep.orValue('') == 'yes'" }],
        validations: [{ expression: 'object != null' }],
      }),
      binding('lasting'),
    )
    await accepts(configMap('kept', {}, { keep: 'yes' }))
    assert.match((await run('delete configmap kept')).text, /denied request: failed expression: object != null/)
    assert.equal((await run('delete configmap good')).status, 0)
  },
)

test('a binding narrows its policy, has parameters, and may only warn', options, async (t) => {
  const { accepts, refuses } = await start(t)
  await accepts(
    configMap('limits', { longest: '3' }),
    policy('short', {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [
        {
          expression: 'object.data.all(key, object.data[key].size() <= int(params.data.longest))',
          message: 'too long',
        },
      ],
    }),
    binding('short', {
      paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' },
      matchResources: { objectSelector: { matchLabels: { strict: 'yes' } } },
    }),
    {
      ...binding('short', {
        paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' },
        validationActions: ['Warn', 'Audit'],
      }),
      metadata: { name: 'short-everywhere' },
    },
  )
  assert.match(await refuses(configMap('strict', { a: 'long' }, { strict: 'yes' })), /denied request: too long/)
  assert.match(
    await accepts(configMap('free', { a: 'long' })),
    /Warning: Validation failed for ValidatingAdmissionPolicy 'short' with binding 'short-everywhere': too long/,
  )
})

test(
  'an expression that fails refuses the write, unless its policy ignores failures; one that does not compile is refused itself',
  options,
  async (t) => {
    const { accepts, refuses } = await start(t)
    const validations = [{ expression: "object.data.absent == 'x'" }]
    await accepts(policy('ignoring', { failurePolicy: 'Ignore', validations }), binding('ignoring'))
    await accepts(configMap('one', { a: '1' }))
    await accepts(policy('failing', { validations }), binding('failing'))
    assert.match(
      await refuses(configMap('two', { a: '1' })),
      /expression 'object.data.absent == 'x'' resulted in error: no such key: absent/i,
    )
    const wrong = await refuses(policy('wrong', { validations: [{ expression: 'object.data ==' }] }))
    assert.match(wrong, /spec\.validations\[0\]\.expression: Invalid value: "object\.data ==": compilation failed/)
    assert.match(
      await refuses(policy('unknown', { validations: [{ expression: "authorizer.group('').resource('pods')" }] })),
      /compilation failed/,
    )
  },
)

test('rules of a definition are checked at creations and updates', options, async (t) => {
  const { accepts, refuses } = await start(t)
  const size = { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'never shrinks' }] }
  const spec = {
    type: 'object',
    properties: { size, max: { type: 'integer' } },
    'x-kubernetes-validations': [{ rule: 'self.size <= self.max', messageExpression: "'at most ' + string(self.max)" }],
  }
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } }
  await accepts(widgetDefinition([{ name: 'v1', served: true, storage: true, schema }]))
  const widget = (name: string, size: number) => ({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name, namespace: 'default' },
    spec: { size, max: 5 },
  })
  await accepts(widget('w', 3))
  assert.match(await refuses(widget('v', 6)), /The Widget "v" is invalid: spec: Invalid value: "object": at most 5/)
  assert.match(await refuses(widget('w', 2)), /spec\.size: Invalid value: "integer": never shrinks/)
  await accepts(widget('w', 4))
})

test('a validating webhook sees what would be stored, and what it refuses is not stored', options, async (t) => {
  const { accepts, refuses, run } = await start(t)
  const seen: { operation: string; name: string; old: unknown }[] = []
  const { caBundle, port } = await webhookServer(t, (request) => {
    seen.push({ operation: request.operation, name: request.object?.metadata.name ?? '', old: request.oldObject?.data })
    return request.object?.data?.forbidden === undefined ? {} : { message: 'not this one' }
  })
  const configuration = (failurePolicy: string, url: string) => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'judge' },
    webhooks: [
      {
        name: 'judge.example.com',
        clientConfig: { url, caBundle },
        rules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE', 'DELETE'],
            resources: ['configmaps'],
          },
        ],
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy,
        timeoutSeconds: 2,
      },
    ],
  })
  await accepts(configuration('Fail', `https://127.0.0.1:${port}/`))
  await accepts(configMap('a', { b: '1' }))
  await accepts(configMap('a', { b: '2' }))
  assert.match(
    await refuses(configMap('a', { forbidden: 'x' })),
    /admission webhook "judge\.example\.com" denied the request: not this one/,
  )
  assert.deepEqual(
    seen.map(({ operation, old }) => [operation, old]),
    [
      ['CREATE', undefined],
      ['UPDATE', { b: '1' }],
      ['UPDATE', { b: '2' }],
    ],
  )
  assert.match((await run('get configmap a -o jsonpath={.data}')).text, /"b":"2"/)
  assert.equal((await run('delete configmap a')).status, 0)
  assert.equal(seen.at(-1)?.operation, 'DELETE')

  await accepts(configuration('Fail', 'https://127.0.0.1:1/'))
  assert.match(await refuses(configMap('c', {})), /failed calling webhook "judge\.example\.com"/)
  await accepts(configuration('Ignore', 'https://127.0.0.1:1/'))
  await accepts(configMap('c', {}))
})

test(
  'the policies of the chart refuse what is wrong in a new class, and let what is there be annotated',
  options.skip === undefined && noHelm !== undefined ? { skip: noHelm } : options,
  async (t) => {
    const { accepts, refuses, run } = await start(t)
    const values = {
      policies: { enabled: true, action: 'Deny', vaults: { '*': ['shop'] } },
      webhook: { enabled: false },
    }
    const rendered = await template(values, { apiVersions: [policyKind] })
    const ofKind = (kind: RegExp) => rendered.filter((object) => kind.test(object.kind))
    const classOf = (name: string, objects: string, labels = {}) => ({
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { name, namespace: 'default', labels },
      spec: { provider: 'azure', parameters: { keyvaultName: 'shop', tenantID: 'contoso.com', objects } },
    })
    const right = 'array:\n  - |\n    objectName: a\n    objectType: secret\n'
    const wrong = 'array:\n  - |\n    objectName: a\n    vault: Other\n'
    await accepts(...ofKind(/^CustomResourceDefinition$/))
    await accepts(classOf('before', wrong))
    await accepts(...ofKind(/^(ValidatingAdmissionPolicy(Binding)?|ConfigMap)$/))
    await accepts(classOf('right', right))
    assert.match(await refuses(classOf('wrong', wrong)), /may use the vaults shop; found other/)
    const quoted = "- '{objectName: a, objectType: secret, ''vault'': other}'\n"
    assert.match(await refuses(classOf('quoted', quoted)), /the vaults of the objects cannot be read/)
    const secret = {
      spec: { provider: 'azure', parameters: { keyvaultName: 'shop', objects: right, clientSecret: 'x' } },
    }
    assert.match(await refuses({ ...classOf('secret', right), ...secret }), /a parameter looks like a credential/)
    assert.equal((await run('annotate secretproviderclass before keymount.dev/rotate=1')).status, 0)
    assert.match(await refuses(classOf('before', `${wrong}    objectType: secret\n`)), /found other/)
  },
)

interface Review {
  operation: string
  object: { metadata: { name: string }; data?: Record<string, string> } | null
  oldObject: { data?: Record<string, string> } | null
}

async function webhookServer(t: TestContext, judge: (request: Review) => { message?: string }) {
  const authority = await openCertificateAuthority(temporaryDirectory(t, 'webhook-'))
  const server = createServer(await authority.issue('127.0.0.1'), async (request, response) => {
    const review = JSON.parse(Buffer.concat(await request.toArray()).toString('utf8'))
    const { message } = judge(review.request)
    const answer = { uid: review.request.uid, allowed: message === undefined, status: { code: 403, message } }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }))
  })
  const listening = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(listening.stop)
  return { port: listening.port, caBundle: readFileSync(authority.caFile).toString('base64') }
}
