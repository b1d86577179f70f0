import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { customResourceDefinitions } from '../../support/custom-resources.ts'
import { eventually } from '../../support/eventually.ts'
import { findKubectl, kubectlFor, kubectlMissing } from '../../support/kubectl.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { mayMount } from '../../support/may-mount.ts'
import { widgetDefinition } from './widgets.ts'

// The local cluster's API is right when the real kubectl prints and exits as on any cluster.
const program = findKubectl()
const skip = program === undefined && kubectlMissing
const skipNode = skip || (!mayMount() && 'pods need the right to mount: run as root, or through npm test')

async function start(t: TestContext, { node }: { node: boolean }) {
  const cluster = await startLocalCluster(t, { node })
  const kubectl = kubectlFor(program ?? '', { kubeconfig: cluster.kubeconfig, cacheDir: `${cluster.stateDir}/kubectl` })
  return {
    cluster,
    kubectl,
    /** Runs a command that must succeed, and gives its output. */
    async run(command: string, input?: unknown): Promise<string> {
      const { status, stdout, stderr } = await kubectl(words(command), input)
      assert.equal(status, 0, `kubectl ${command}: ${stderr}`)
      return stdout.trim()
    },
    /** Runs a command that must fail, and gives its error. */
    async fail(command: string, input?: unknown): Promise<string> {
      const { status, stderr } = await kubectl(words(command), input)
      assert.equal(status, 1, `kubectl ${command} did not fail`)
      return stderr.trim()
    },
  }
}

/** Splits at spaces outside single quotes, and takes these away. */
function words(command: string): string[] {
  return (command.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ''))
}

const configMap = (name: string, data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})

const pod = (name: string, labels?: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { containers: [{ name: 'app', image: 'busybox:1', command: ['sleep', '3600'] }] },
})

const widgets = widgetDefinition(
  [
    {
      name: 'v1',
      served: true,
      storage: true,
      additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: {
              type: 'object',
              required: ['size'],
              properties: {
                size: { type: 'integer', minimum: 1, description: 'how many cells wide it is' },
                color: { type: 'string', enum: ['red', 'blue'], default: 'red' },
              },
            },
          },
        },
      },
    },
    {
      name: 'v1alpha1',
      served: true,
      storage: false,
      deprecated: true,
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  ],
  { shortNames: ['wd'] },
)

const widget = (spec: object) => ({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w1' }, spec })

test('kubectl works against the local cluster', { skip }, async (t) => {
  const { cluster, kubectl, run, fail } = await start(t, { node: false })

  await t.test('version names the server', async () => {
    assert.match(await run('version'), /Server Version: v1\.34\.0/)
  })

  await t.test('api-resources lists the kinds with their short names', async () => {
    const table = await run('api-resources --no-headers')
    assert.match(table, /^pods +po +v1 +true +Pod$/m)
    assert.match(table, /^daemonsets +ds +apps\/v1 +true +DaemonSet$/m)
    assert.match(table, /^csidrivers +storage\.k8s\.io\/v1 +false +CSIDriver$/m)
  })

  await t.test('create makes namespaces, service accounts, secrets, config maps and tokens', async () => {
    assert.equal(await run('create namespace made'), 'namespace/made created')
    assert.equal(await run('create serviceaccount robot -n made'), 'serviceaccount/robot created')
    assert.equal(await run('create secret generic login --from-literal=user=me -n made'), 'secret/login created')
    assert.equal(await run('create configmap settings --from-literal=a=b -n made'), 'configmap/settings created')
    assert.equal(await run("get secret login -n made -o jsonpath='{.data.user}'"), 'bWU=')
    assert.equal(await run("get configmap settings -n made -o jsonpath='{.data}'"), '{"a":"b"}')
    const token = await run('create token robot -n made --audience api://AzureADTokenExchange --duration 20m')
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    assert.equal(claims.sub, 'system:serviceaccount:made:robot')
    assert.deepEqual(claims.aud, ['api://AzureADTokenExchange'])
    assert.equal(claims.exp - claims.iat, 1200)
    assert.match(await fail('create namespace made'), /\(AlreadyExists\): namespaces "made" already exists/)
    assert.match(
      await fail('create token robot -n made --duration 60s'),
      /may not specify a duration less than 10 minutes/,
    )
  })

  await t.test('create of a kind that kubectl sends in protobuf only suggests apply', async () => {
    assert.match(await fail('create deployment web --image=busybox'), /use kubectl apply -f/)
  })

  await t.test('apply creates, leaves unchanged and changes', async () => {
    assert.equal(await run('apply -f -', configMap('applied', { a: '1' })), 'configmap/applied created')
    assert.equal(await run('apply -f -', configMap('applied', { a: '1' })), 'configmap/applied unchanged')
    assert.equal(await run('apply -f -', configMap('applied', { b: '2' })), 'configmap/applied configured')
    assert.equal(await run("get configmap applied -o jsonpath='{.data}'"), '{"b":"2"}')
  })

  await t.test(
    'apply, create, replace and delete treat each object of a List and of a stream of documents',
    async () => {
      const list = (...items: object[]) => ({ apiVersion: 'v1', kind: 'List', items })
      const [one, two] = [configMap('one', { a: '1' }), configMap('two', { a: '1' })]
      const both = (what: string) => `configmap/one ${what}\nconfigmap/two ${what}`
      assert.equal(await run('apply -f -', list(one, two)), both('created'))
      assert.equal(await run('apply -f -', list(one, two)), both('unchanged'))
      assert.equal(await run('apply --server-side --force-conflicts -f -', list(one, two)), both('serverside-applied'))
      assert.equal(await run('replace -f -', list(one, two)), both('replaced'))
      const read = await run('get configmaps one two -o json')
      assert.match(await run('apply -f -', read), /^configmap\/one configured\nconfigmap\/two (configured|unchanged)$/)
      assert.match(await fail('create -f -', list(one, two)), /"one" already exists\n.*"two" already exists/)
      assert.match(await run('delete -f -', list(one, two)), /^configmap "one" deleted.*\nconfigmap "two" deleted/)
      assert.equal(await run('create -f -', list(one, two)), both('created'))
      const documents = [one, two].map((object) => `---\n${JSON.stringify(object)}\n`).join('')
      assert.match(await run('delete -f -', documents), /^configmap "one" deleted.*\nconfigmap "two" deleted/)
      assert.equal(await run('apply -f -', documents), both('created'))
    },
  )

  await t.test('a List with one wrong object creates the others, and the error names the field', async () => {
    const items = [{ ...configMap('wrong', {}), dato: {} }, configMap('right', {})]
    const { status, stdout, stderr } = await kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items })
    assert.deepEqual({ status, stdout }, { status: 1, stdout: 'configmap/right created\n' })
    assert.match(stderr, /strict decoding error: unknown field "dato"/)
  })

  await t.test('apply refuses a Secret that lacks a key of its type, in the words of Kubernetes', async () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, type: 'kubernetes.io/tls', data: {} }
    assert.match(
      await fail('apply -f -', secret),
      /The Secret "tls" is invalid: \n\* data\[tls\.crt\]: Required value\n\* data\[tls\.key\]: Required value/,
    )
  })

  await t.test('apply names an unknown field and writes nothing', async () => {
    const error = await fail('apply -f -', { ...configMap('misspelt', {}), dato: {} })
    assert.match(
      error,
      /ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dato"/,
    )
    const nested = { ...pod('misspelt'), spec: { containers: [{ name: 'a', image: 'b', volumeMount: [] }] } }
    assert.match(await fail('apply -f -', nested), /unknown field "spec\.containers\[0\]\.volumeMount"/)
    assert.match(await fail('get configmap misspelt'), /configmaps "misspelt" not found/)
  })

  await t.test('apply merges lists of a pod by their keys', async () => {
    const labelled = { ...pod('merged', { app: 'm' }) }
    await run('apply -f -', labelled)
    await run('apply -f -', {
      ...labelled,
      spec: { containers: [{ ...labelled.spec.containers[0], image: 'busybox:2' }] },
    })
    assert.equal(await run("get pod merged -o jsonpath='{.spec.containers[*].image}'"), 'busybox:2')
    const changed = { ...labelled, spec: { containers: [{ ...labelled.spec.containers[0], args: ['x'] }] } }
    assert.match(await fail('apply -f -', changed), /pod updates may not change fields other than/)
    await run('delete pod merged')
  })

  await t.test('apply --server-side owns fields, and refuses to take those of others', async () => {
    const applied = configMap('owned', { a: '1' })
    assert.equal(
      await run('apply --server-side --field-manager one -f -', applied),
      'configmap/owned serverside-applied',
    )
    const other = configMap('owned', { a: '2', b: '1' })
    assert.match(await fail('apply --server-side --field-manager two -f -', other), /conflict with "one".*\.data\.a/)
    await run('apply --server-side --field-manager two --force-conflicts -f -', other)
    await run('apply --server-side --field-manager two -f -', configMap('owned', { a: '2' }))
    assert.equal(await run("get configmap owned -o jsonpath='{.data}'"), '{"a":"2"}')
  })

  await t.test('apply --server-side a second time changes nothing, defaults of the server included', async () => {
    for (const object of [widgets, pod('defaulted'), configMap('defaulted', { a: '1' })]) {
      const kind = object.kind.toLowerCase()
      await run('apply --server-side -f -', object)
      const first = await run(`get ${kind} ${object.metadata.name} -o json --show-managed-fields`)
      await run('apply --server-side -f -', object)
      assert.deepEqual(
        JSON.parse(await run(`get ${kind} ${object.metadata.name} -o json --show-managed-fields`)),
        JSON.parse(first),
      )
      await run(`delete ${kind} ${object.metadata.name}`)
    }
  })

  await t.test('diff shows the change and makes none', async () => {
    const { status, stdout } = await kubectl(['diff', '-f', '-'], configMap('applied', { b: '3' }))
    assert.equal(status, 1)
    assert.match(stdout, /^-\s+b: "2"$/m)
    assert.match(stdout, /^\+\s+b: "3"$/m)
    assert.equal(await run("get configmap applied -o jsonpath='{.data.b}'"), '2')
  })

  await t.test('scale sets the replicas of a workload, and refuses when there are others than expected', async () => {
    const template = { metadata: { labels: { app: 'scaled' } }, spec: pod('scaled').spec }
    const spec = { replicas: 1, selector: { matchLabels: { app: 'scaled' } }, template }
    await run('apply -f -', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'scaled' }, spec })
    assert.equal(await run('scale deployment scaled --replicas=3'), 'deployment.apps/scaled scaled')
    await eventually(async () => assert.equal((await run('get pods -l app=scaled -o name')).split('\n').length, 3))
    assert.equal(await run('scale deploy/scaled --current-replicas=3 --replicas=0'), 'deployment.apps/scaled scaled')
    assert.match(
      await fail('scale deploy/scaled --current-replicas=3 --replicas=1'),
      /Expected replicas to be 3, was 0/,
    )
    await eventually(async () => assert.equal(await run('get pods -l app=scaled -o name'), ''))
    assert.equal(
      await run("get deploy scaled --subresource=scale -o jsonpath='{.spec.replicas} {.status.selector}'"),
      '0 app=scaled',
    )
    await run('delete deployment scaled')
  })

  await t.test('explain prints the fields of built-in and of custom kinds', async () => {
    assert.match(
      await run('explain pod.spec.containers.env'),
      /FIELD: env <\[\]EnvVar>[\s\S]*valueFrom\t<EnvVarSource>/,
    )
    assert.match(
      await run('explain crd.spec.versions.schema.openAPIV3Schema.properties'),
      /<map\[string\]JSONSchemaProps>/,
    )
    assert.match(await fail('explain pod.spec.nothing'), /field "nothing" does not exist/)
  })

  await t.test(
    "explain prints the parameters of the product's classes, and get the columns of its status objects",
    async () => {
      for (const definition of customResourceDefinitions) await run('apply -f -', definition)
      const text = await run('explain secretproviderclass.spec.parameters')
      assert.match(text, /FIELD: parameters <map\[string\]string>/)
      assert.match(text, /- keyvaultName \(required\): Name of the vault/)
      const annotations = { 'keymount.dev/failure-code': 'PermissionDenied', 'keymount.dev/next-check': 'soon' }
      await run('apply -f -', {
        ...{ apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClassPodStatus' },
        ...{ metadata: { name: 'p', annotations }, status: { podName: 'a', secretProviderClassName: 'b' } },
      })
      assert.match(await run('get secretproviderclasspodstatuses --no-headers'), /^p +a +b +soon +PermissionDenied$/)
    },
  )

  await t.test('a definition makes a kind, with columns, defaults, validation and pruning', async () => {
    assert.equal(
      await run('apply -f -', widgets),
      'customresourcedefinition.apiextensions.k8s.io/widgets.example.com created',
    )
    assert.match(await run('wait --for=condition=established crd/widgets.example.com --timeout=5s'), /condition met/)
    assert.equal(await run('apply -f -', widget({ size: 3 })), 'widget.example.com/w1 created')
    assert.match(await run('get wd'), /^NAME +SIZE\nw1 +3$/)
    assert.equal(await run("get wd w1 -o jsonpath='{.spec.color}'"), 'red')
    assert.equal(await run('apply -f -', widget({ size: 4 })), 'widget.example.com/w1 configured')
    assert.match(await fail('apply -f -', widget({ size: 4, colour: 'red' })), /unknown field "spec\.colour"/)
    const invalid = await fail('apply -f -', widget({ size: 0, color: 'green' }))
    assert.match(invalid, /spec\.size: Invalid value: 0: spec\.size in body should be greater than or equal to 1/)
    assert.match(invalid, /spec\.color: Unsupported value: "green": supported values: "red", "blue"/)
    const { stdout, stderr } = await kubectl(['get', 'widgets.v1alpha1.example.com', '-o', 'name'])
    assert.equal(stdout.trim(), 'widget.example.com/w1')
    assert.match(stderr, /Warning: example\.com\/v1alpha1 Widget is deprecated/)
    assert.match(await run('describe wd w1'), /Size: +4/)
    assert.match(await run('explain widget.spec.size'), /FIELD: size <integer>[\s\S]*how many cells wide it is/)
    await run('delete crd widgets.example.com')
    assert.match(await fail('get wd'), /the server could not find the requested resource/)
  })

  await t.test('get prints tables, wide tables, yaml, json and json paths, and selects', async () => {
    await run('apply -f -', pod('one', { app: 'a' }))
    await run('apply -f -', pod('two', { app: 'b' }))
    assert.match(await run('get pods'), /^NAME +READY +STATUS +RESTARTS +AGE\none +0\/1 +Pending +0 +\d+s\ntwo /)
    assert.match(
      await run('get pods -o wide'),
      /IP +NODE +NOMINATED NODE +READINESS GATES\none .* <none> +<none> +<none> +<none>$/m,
    )
    assert.equal(await run('get pods -o name -l app=a'), 'pod/one')
    assert.equal(await run("get pods -o name -l 'app in (b,c)'"), 'pod/two')
    assert.equal(await run('get pods -o name --field-selector metadata.name!=one'), 'pod/two')
    assert.match(await run('get pods -A --no-headers'), /^default +one /)
    assert.match(await run('get pod one -o yaml'), /^kind: Pod$/m)
    assert.equal(JSON.parse(await run('get pod one -o json')).spec.restartPolicy, 'Always')
    assert.equal(await run("get pods -o jsonpath='{.items[*].metadata.name}'"), 'one two')
    assert.match(await run('get all'), /pod\/one/)
    assert.match(await fail('get pod three'), /Error from server \(NotFound\): pods "three" not found/)
    assert.match(await fail('get jobs'), /the server doesn't have a resource type "jobs"/)
  })

  await t.test('get -w shows changes as they happen', async () => {
    const watching = kubectlLines(program ?? '', cluster.kubeconfig, ['get', 'pods', '-w', '--no-headers'])
    await watching.until(2)
    await run('apply -f -', pod('watched'))
    const rows = await watching.until(3)
    assert.match(rows.at(-1) ?? '', /^watched +0\/1 +Pending/)
    watching.stop()
    await run('delete pod watched')
  })

  await t.test('describe shows the events of a pod', async () => {
    const text = await run('describe pod one')
    assert.match(text, /^Service Account: +default$/m)
    assert.match(text, /kube-api-access-\w{5}:\n +Type: +Projected/)
    assert.match(text, /Warning +FailedScheduling +\d+s +default-scheduler +no nodes available to schedule pods/)
    assert.match(await run('get events --no-headers'), /FailedScheduling +pod\/one/)
  })

  await t.test('label, annotate and patch change an object', async () => {
    await run('label pod one tier=front')
    await run('annotate pod one note=hello')
    assert.equal(await run('get pods -l tier=front -o name'), 'pod/one')
    await run('label pod one tier-')
    assert.equal(await run('get pods -l tier -o name'), '')
    await run(`patch configmap applied -p '{"data":{"b":null,"c":"1"}}'`)
    await run(`patch configmap applied --type merge -p '{"data":{"d":"1"}}'`)
    await run(`patch configmap applied --type json -p '[{"op":"replace","path":"/data/d","value":"2"}]'`)
    assert.equal(await run("get configmap applied -o jsonpath='{.data}'"), '{"c":"1","d":"2"}')
    const image = '{"spec":{"containers":[{"name":"app","image":"busybox:3"}]}}'
    await run(`patch pod one -p '${image}'`)
    assert.equal(await run("get pod one -o jsonpath='{.spec.containers[*].command}'"), '["sleep","3600"]')
    assert.match(
      await fail(`patch configmap applied --type json -p '[{"op":"remove","path":"/data/x"}]'`),
      /the path \/data\/x does not exist/,
    )
  })

  await t.test('wait sees a condition become true, and a deletion', async () => {
    const waiting = run('wait --for=condition=Ready pod/two --timeout=20s')
    const status = { conditions: [{ type: 'Ready', status: 'True' }] }
    await cluster.request(
      'PATCH',
      '/api/v1/namespaces/default/pods/two/status',
      { status },
      {
        headers: { 'content-type': 'application/merge-patch+json' },
      },
    )
    assert.equal(await waiting, 'pod/two condition met')
    const gone = run('wait --for=delete pod/two --timeout=20s')
    assert.match(await run('delete pod two'), /^pod "two" deleted/)
    assert.match(await gone, /^(pod\/two condition met)?$/)
  })

  await t.test('delete removes what a namespace holds', async () => {
    assert.match(await run('delete namespace made --timeout=20s'), /^namespace "made" deleted/)
    assert.match(await fail('get serviceaccount robot -n made'), /not found/)
    assert.match(await fail('delete pod three'), /pods "three" not found/)
  })

  await t.test('auth can-i and whoami answer for the user of the request', async () => {
    assert.equal(await run('auth can-i create pods'), 'yes')
    assert.match(
      await run('auth whoami'),
      /Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]/,
    )
    const token = await run('create token default')
    const asRobot = ['--token', token, '--kubeconfig', '/dev/null', '--server', cluster.server]
    const trusting = [...asRobot, '--certificate-authority', `${cluster.stateDir}/pki/ca.crt`]
    const whoami = await kubectl([...trusting, 'auth', 'whoami'])
    assert.match(whoami.stdout, /Username +system:serviceaccount:default:default/)
    const { status, stdout } = await kubectl([...trusting, 'auth', 'can-i', 'list', 'secrets'])
    assert.deepEqual({ status, stdout: stdout.trim() }, { status: 1, stdout: 'no' })
    const { stderr } = await kubectl([...trusting, 'get', 'secrets'])
    assert.match(
      stderr,
      /secrets is forbidden: User "system:serviceaccount:default:default" cannot list resource "secrets" in API group "" in the namespace "default"/,
    )
    assert.match(await fail('get pods --as alice'), /impersonation \(--as\) is not supported by the local cluster/)
  })
})

test('kubectl reads logs and runs commands in a pod', { skip: skipNode }, async (t) => {
  const { cluster, kubectl, run, fail } = await start(t, { node: true })
  const command = 'echo one; echo two; trap "exit 0" TERM; while :; do sleep 0.1; done'
  const containers = [{ name: 'app', image: 'busybox', command: ['sh', '-c', command] }]
  await run('apply -f -', { ...pod('p'), spec: { containers, terminationGracePeriodSeconds: 2 } })
  await run('wait --for=condition=Ready pod/p --timeout=60s')

  await t.test('get shows it Running on its node', async () => {
    assert.match(await run('get pods -o wide --no-headers'), /^p +1\/1 +Running +0 +\w+ +[\d.]+ +keymount-local/)
    assert.match(await run('get nodes --no-headers'), /^keymount-local +Ready /)
  })

  await t.test('logs prints them, the last lines of them, and follows', async () => {
    assert.equal(await run('logs p'), 'one\ntwo')
    assert.equal(await run('logs p --tail=1'), 'two')
    const following = kubectlLines(program ?? '', cluster.kubeconfig, ['logs', '-f', 'p'])
    assert.deepEqual(await following.until(2), ['one', 'two'])
    following.stop()
    assert.match(await fail('logs p -c other'), /container other is not valid for pod p/)
  })

  await t.test('exec passes both outputs, standard input and the exit status', async () => {
    const { status, stdout, stderr } = await kubectl(['exec', 'p', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])
    assert.deepEqual({ status, stdout }, { status: 7, stdout: 'out\n' })
    assert.match(stderr, /^err\n/)
    const echoed = await kubectl(['exec', '-i', 'p', '--', 'sh', '-c', 'cat; echo end'], 'typed\n')
    assert.equal(echoed.stdout, 'typed\nend\n')
    assert.match(await fail('exec missing -- true'), /pods "missing" not found/)
  })

  await t.test('exec into a container that waits has the reason of the wait', async () => {
    const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'missing', key: 'a' } } }]
    await run('apply -f -', { ...pod('waits'), spec: { containers: [{ name: 'waits', image: 'busybox', env }] } })
    await eventually(async () => assert.match(await run('get pod waits'), /CreateContainerConfigError/))
    const message = /container "waits" in pod "waits" is waiting to start: CreateContainerConfigError/
    assert.match(await fail('exec waits -- true'), message)
    await run('delete pod waits --now')
  })

  await t.test('delete ends it within its grace period', async () => {
    await run('delete pod p --timeout=60s')
    assert.match(await fail('get pod p'), /pods "p" not found/)
  })
})

/** The output of a kubectl that does not end by itself, line by line. */
function kubectlLines(program: string, kubeconfig: string, args: readonly string[]) {
  const child = spawn(program, ['--kubeconfig', kubeconfig, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    child.emit('line')
  })
  return {
    /** Resolves when there are so many lines. */
    async until(count: number): Promise<readonly string[]> {
      while (lines.length < count) await once(child, 'line', { signal: AbortSignal.timeout(20_000) })
      return lines
    },
    stop: () => child.kill(),
  }
}
