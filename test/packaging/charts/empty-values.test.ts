/**
 * Values files keep keys that are empty, or set to null to drop a chart's default, and values of another type than the chart
 * documents. For every value that a chart reads: it renders without that key, or its error names the value.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { chartDirectory, charts, daemonSets, needsHelm, packaged, template } from './helm.ts'

type Values = Record<string, unknown>

/** The paths of a thin chart that each list of names in its `_values.tpl` is copied from. */
const listedUnder: Record<string, Record<string, readonly string[]>> = {
  'csi-secrets-store-provider-azure': {
    'upstream.provider.same': [''],
    'upstream.provider.os': ['linux.'],
    'upstream.provider.pods': ['linux.'],
    'upstream.driver.same': ['secrets-store-csi-driver.'],
    'upstream.driver.os': ['secrets-store-csi-driver.linux.'],
    'upstream.driver.pods': ['secrets-store-csi-driver.linux.'],
  },
  'workload-identity-webhook': { 'upstream.webhook.same': [''] },
  'secrets-store-sync-controller': { 'upstream.sync.same': [''] },
  'aad-pod-identity': {},
}

/** What a chart needs to render at all, and paths that no list in its templates names. */
const more: Record<string, { needs: Values; paths: readonly string[] }> = {
  'csi-secrets-store-provider-azure': {
    needs: {},
    paths: [
      'linux',
      'windows',
      'secrets-store-csi-driver',
      'secrets-store-csi-driver.install',
      'secrets-store-csi-driver.linux',
      'secrets-store-csi-driver.linux.driver',
      'secrets-store-csi-driver.linux.driver.resources',
      'secrets-store-csi-driver.linux.crds',
      'Azure',
      'Azure.proxySettings',
    ],
  },
  'workload-identity-webhook': { needs: { azureTenantID: 'contoso.com' }, paths: ['image', 'imagePullSecrets'] },
  'secrets-store-sync-controller': { needs: {}, paths: ['validatingAdmissionPolicies', 'logVerbosity'] },
  'aad-pod-identity': {
    needs: {},
    paths: [
      ...[
        'operationMode',
        'adminsecret',
        'azureIdentities',
        'imagePullSecrets',
        'forceNamespaced',
        'installMICException',
      ],
      ...['mic', 'nmi', 'rbac', 'rbac.enabled', 'rbac.allowAccessToSecrets'],
      ...keysOf('podIdentity.mic').map((key) => `mic.${key}`),
      ...keysOf('podIdentity.nmi').map((key) => `nmi.${key}`),
    ],
  },
}

/** Names of the values of charts/keymount under a path. */
function keysOf(path: string): string[] {
  return Object.keys(at(parse(readFileSync(join(chartDirectory, 'values.yaml'), 'utf8')) as Values, path) as Values)
}

function at(values: Values, path: string): unknown {
  return path.split('.').reduce<unknown>((found, key) => (found as Values | undefined)?.[key], values)
}

/** Every value that the templates of a thin chart read. */
function pathsOf(chart: string): string[] {
  const text = readFileSync(join(charts, chart, 'templates/_values.tpl'), 'utf8')
  const lists = [...text.matchAll(/define "(upstream\.[\w.]+)" -\}\}\n\[([^\]]*)\]/g)]
  assert.deepEqual(lists.map(([, name]) => name).toSorted(), Object.keys(listedUnder[chart] ?? {}).toSorted())
  const listed = lists.flatMap(([, name = '', names = '']) =>
    (listedUnder[chart]?.[name] ?? []).flatMap((prefix) => names.split(', ').map((key) => `${prefix}${key}`)),
  )
  return [...new Set([...listed, ...(more[chart]?.paths ?? [])])]
}

/** Sets the value at each path; a path inside of one that is set already is left out. */
function valuesWith(base: Values, paths: readonly string[], value: unknown): Values {
  const values = structuredClone(base)
  for (const path of paths.toSorted((a, b) => b.length - a.length)) {
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    let parent = values
    for (const key of keys) {
      parent[key] ??= {}
      parent = parent[key] as Values
    }
    if (!(last in parent)) parent[last] = value
  }
  return values
}

for (const chart of Object.keys(listedUnder)) {
  test(`${chart} renders with each of its values null, and without what a null drops`, needsHelm, async (t) => {
    const options = { chart: await packaged(t, chart) }
    const { needs } = more[chart] ?? { needs: {} }
    const isSection = (path: string) => pathsOf(chart).some((other) => other.startsWith(`${path}.`))
    const usual = await template(needs, options)
    // Without its values there is no budget.
    const kinds = (objects: { kind: string }[]) =>
      objects
        .map(({ kind }) => kind)
        .filter((kind) => kind !== 'PodDisruptionBudget')
        .toSorted()
    const leaves = pathsOf(chart).filter((path) => !isSection(path))
    for (const empty of [null, '']) {
      const objects = await template(valuesWith(needs, leaves, empty), options)
      assert.deepEqual(kinds(objects), kinds(usual))
      for (const { pod } of daemonSets(objects)) {
        const { nodeSelector = {}, tolerations } = pod as { nodeSelector?: object; tolerations?: unknown }
        assert.deepEqual([Object.keys(nodeSelector), tolerations], [['kubernetes.io/os'], undefined])
      }
    }
    for (const path of pathsOf(chart).filter(isSection)) await template(valuesWith(needs, [path], null), options)
  })

  test(`${chart} renders with a value of another type, or its error names the value`, needsHelm, async (t) => {
    const options = { chart: await packaged(t, chart) }
    const { needs } = more[chart] ?? { needs: {} }
    for (const path of pathsOf(chart)) {
      for (const wrong of [['a'], 7]) {
        const error = await template(valuesWith(needs, [path], wrong), options).then(
          () => undefined,
          ({ stderr }: { stderr: string }) => stderr,
        )
        // The check of flags names the value of our chart, which has no section of the driver.
        const name = path.replace('secrets-store-csi-driver.', '').replaceAll('.', '\\.')
        const named = new RegExp(`${name}(\\.a|\\[0\\])?(\\.binding)?: found .*, expected`)
        assert.ok(error === undefined || named.test(error), `${path} as ${JSON.stringify(wrong)}: ${error}`)
      }
    }
  })
}

test('charts/keymount renders with each of its values null, or its schema names the value', needsHelm, async () => {
  const values = parse(readFileSync(join(chartDirectory, 'values.yaml'), 'utf8')) as Values
  const enabled = { webhook: { enabled: true, azureTenantID: 'contoso.com' }, podIdentity: { enabled: true } }
  // What a null leaves without a value that the schema requires is named by the schema, all at once.
  const optional = leavesOf(values)
  const { stderr: refused } = await rejection(template(valuesWith(enabled, optional, null)))
  const required = [...refused.matchAll(/missing propert(?:y|ies) (.*)/g)].flatMap(([, names = '']) =>
    [...names.matchAll(/'(\w+)'/g)].map(([, name = '']) => name),
  )
  const leaves = optional.filter((path) => !required.includes(path.split('.').at(-1) ?? ''))
  assert.ok(leaves.length > 80, `only ${leaves.length} values may be null`)
  await template(valuesWith(enabled, leaves, null))
  // One by one in each section, because what one null drops may hide another.
  const sections = Map.groupBy(leaves, (path) => path.split('.').slice(0, -1).join('.'))
  for (const paths of sections.values()) await template(valuesWith(enabled, paths, null))
})

async function rejection(promise: Promise<unknown>): Promise<{ stderr: string }> {
  return promise.then(
    () => assert.fail('it was not refused'),
    (error: { stderr: string }) => error,
  )
}

test('a value in another form that is clear is converted', needsHelm, async (t) => {
  const chart = await packaged(t, 'csi-secrets-store-provider-azure')
  const values = {
    metricsAddr: 9998,
    logVerbosity: '5',
    constructPEMChain: 'false',
    linux: { healthzPort: '9989', podLabels: { number: 7 } },
    'secrets-store-csi-driver': { maxCallRecvMsgSize: 8388608, linux: { updateStrategy: { rollingUpdate: null } } },
  }
  const objects = await template(values, { chart })
  const [driver, provider] = daemonSets(objects)
  const strategies = objects.flatMap(({ kind, spec }) =>
    kind === 'DaemonSet' ? [(spec as { updateStrategy: unknown }).updateStrategy] : [],
  )
  const args = (set: typeof driver) => set?.container.args.join(' ') ?? ''
  assert.match(
    args(provider),
    /--prometheus-port=9998 .*--construct-pem-chain=false|--construct-pem-chain=false .*--prometheus-port=9998/,
  )
  assert.match(args(provider), /--healthz-port=9989/)
  assert.match(args(driver), /--max-call-recv-msg-size=8388608/)
  assert.deepEqual(strategies[0], { type: 'RollingUpdate' })
})

function leavesOf(node: unknown, path = ''): string[] {
  if (typeof node !== 'object' || node === null || Array.isArray(node) || Object.keys(node).length === 0) return [path]
  return Object.entries(node).flatMap(([key, child]) => leavesOf(child, path === '' ? key : `${path}.${key}`))
}
