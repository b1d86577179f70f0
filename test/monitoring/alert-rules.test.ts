/** The rules as promtool judges them: that Prometheus loads them, and when each of them fires, with its real duration. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import { alerts } from '../../scripts/monitoring/alerts.ts'
import { type AlertRule, rulesFile } from '../../scripts/monitoring/render-rules.ts'
import { needsHelm, template } from '../packaging/charts/helm.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { needsPrometheus, promtool } from './prometheus.ts'

const run = promisify(execFile)
const day = 86_400

interface Case {
  /** Series as promtool writes them, one sample in a minute. */
  series: Record<string, string>
  /** When the alert does not fire yet, and when it does, as Prometheus durations. */
  quiet: string
  fires: string
  /** Labels of the alert beside its severity. */
  labels: Record<string, string>
}

const ofClass = { namespace: 'shop', class: 'app' }

function firesBetween(quiet: string, fires: string, labels: Case['labels'], series: Case['series']): Case {
  return { series, quiet, fires, labels }
}

/** For every alert, a fault that begins with the first sample. */
const cases: Readonly<Record<string, Case>> = {
  KeymountRotationFailing: firesBetween('14m', '16m', ofClass, {
    'rotation_failing_volumes{namespace="shop",class="app"}': '1x90',
  }),
  // Late by 300 s after six minutes, and for five more.
  KeymountRotationLate: firesBetween('10m', '13m', ofClass, {
    'rotation_next_check_timestamp_seconds{namespace="shop",class="app"}': '60x90',
  }),
  // One pod: an attempt in two minutes.
  KeymountMountErrors: firesBetween(
    '9m',
    '14m',
    { error_type: 'VaultUnreachable' },
    { 'node_publish_error_total{error_type="VaultUnreachable"}': '0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10' },
  ),
  KeymountMountsFailing: firesBetween(
    '14m',
    '26m',
    { error_type: 'VaultUnreachable' },
    { 'node_publish_error_total{error_type="VaultUnreachable"}': '0+10x60' },
  ),
  KeymountServingStale: firesBetween('4m', '6m', ofClass, { 'stale_volumes{namespace="shop",class="app"}': '2x60' }),
  KeymountFallbackVaultAnswers: firesBetween(
    '2m',
    '4m',
    { outcome: 'fallback' },
    { 'keymount_provider_reads_total{outcome="fallback"}': '0 0 0 1x60' },
  ),
  KeymountVaultThrottled: firesBetween(
    '4m',
    '8m',
    { host: 'shop.vault.azure.net' },
    { 'keymount_provider_throttled_total{host="shop.vault.azure.net"}': '0+3x60' },
  ),
  // 250 in a second on ten nodes would be 2,500 in ten seconds; here one series has them all.
  KeymountVaultBudget: firesBetween(
    '9m',
    '16m',
    { vault: 'shop.vault.azure.net' },
    { 'keymount_provider_vault_requests_total{vault="shop.vault.azure.net"}': '0+15000x60' },
  ),
  KeymountCertificateExpires: firesBetween(
    '59m',
    '61m',
    { vault: 'v', object_name: 'tls' },
    { 'certificate_expiry_timestamp_seconds{vault="v",object_name="tls"}': `${13 * day}x90` },
  ),
  KeymountObjectExpires: firesBetween(
    '59m',
    '61m',
    { vault: 'v', object_name: 'db' },
    { 'keymount_provider_object_expiry_days{object_type="secret",vault="v",object_name="db"}': '13x90' },
  ),
  KeymountSecretsNotWritten: firesBetween(
    '14m',
    '18m',
    { provider: 'azure' },
    { 'sync_k8s_secret_error_total{provider="azure"}': '0+1x60' },
  ),
  KeymountSignInFailing: firesBetween(
    '14m',
    '18m',
    { kind: 'workload' },
    { 'keymount_provider_token_acquisitions_total{kind="workload",outcome="error"}': '0+1x60' },
  ),
  KeymountEventsDown: firesBetween('9m', '11m', { source: 'queue' }, { 'events_source_up{source="queue"}': '0x60' }),
  KeymountEventsMissing: firesBetween('14m', '16m', {}, { 'up{job="other"}': '1x60' }),
  KeymountSyncNotReady: firesBetween(
    '14m',
    '16m',
    { namespace: 'shop', name: 'db' },
    { 'secretsync_ready{namespace="shop",name="db"}': '0x60' },
  ),
  KeymountSyncServingStale: firesBetween(
    '4m',
    '6m',
    { namespace: 'shop' },
    { 'secretsync_stale{namespace="shop"}': '1x60' },
  ),
  KeymountRestartStuck: firesBetween(
    '59m',
    '61m',
    { reason: 'rollout' },
    { 'restart_pending{reason="rollout"}': '1x120', 'restart_pending{reason="window"}': '1x120' },
  ),
  KeymountVolumeMemoryNearlyFull: firesBetween(
    '9m',
    '11m',
    { node: 'n' },
    { 'volume_memory_bytes{node="n"}': '90x60', 'volume_memory_budget_bytes{node="n"}': '100x60' },
  ),
  KeymountWebhookRefusesPods: firesBetween(
    '9m',
    '13m',
    { result: 'failed' },
    { 'azwi_mutation_request_count{result="failed",namespace="shop"}': '0+1x60' },
  ),
  KeymountWebhookCertificateExpires: firesBetween(
    '9m',
    '11m',
    {},
    { keymount_webhook_certificate_expiry_timestamp_seconds: `${3 * day + 600}x60` },
  ),
  KeymountDown: firesBetween(
    '9m',
    '11m',
    { job: 'keymount', app: 'secrets-store-csi-driver', node: 'n' },
    { 'up{job="keymount",app="secrets-store-csi-driver",node="n"}': '0x60' },
  ),
}

test('every alert has its case', () => {
  assert.deepEqual(Object.keys(cases).toSorted(), alerts.map(({ name }) => name).toSorted())
})

test(
  'every alert fires after its duration and not before, with the labels that its text uses',
  needsPrometheus,
  async (t) => {
    const directory = temporaryDirectory(t, 'rules-')
    const file = join(directory, 'rules.yaml')
    writeFileSync(file, rulesFile())
    const { groups } = parse(rulesFile()) as { groups: { rules: AlertRule[] }[] }
    const rules = groups.flatMap((group) => group.rules)
    writeFileSync(
      join(directory, 'cases.yaml'),
      stringify({
        rule_files: ['rules.yaml'],
        evaluation_interval: '1m',
        tests: rules.map((rule) => testOf(rule)),
      }),
    )
    await run(promtool ?? '', ['check', 'rules', file])
    await run(promtool ?? '', ['test', 'rules', join(directory, 'cases.yaml')]).catch(
      (error: { stdout: string; stderr: string }) => {
        assert.fail(`${error.stdout}${error.stderr}`)
      },
    )
  },
)

/** promtool compares annotations too, so that they are written here as Prometheus expands them. */
function testOf({ alert, annotations, labels }: AlertRule) {
  const { series, quiet, fires, labels: own } = cases[alert] ?? assert.fail(`no case of ${alert}`)
  return {
    name: alert,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [
      { eval_time: quiet, alertname: alert, exp_alerts: [] },
      {
        eval_time: fires,
        alertname: alert,
        exp_alerts: [{ exp_labels: { ...own, ...labels }, exp_annotations: expanded(annotations, own, alert) }],
      },
    ],
  }
}

/** `$value` as each case has it. */
const values: Readonly<Record<string, string>> = {
  KeymountVaultBudget: '2.5k',
  KeymountCertificateExpires: '12d 22h 59m 0s',
  KeymountObjectExpires: '13',
}

function expanded(annotations: AlertRule['annotations'], labels: Record<string, string>, alert: string) {
  const text = annotations.summary
    .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
    .replaceAll(/\{\{ \$value[^}]*\}\}/g, () => values[alert] ?? assert.fail(`${alert} has a value`))
  return { ...annotations, summary: text }
}

test(
  'the chart installs the alerts of the parts that are on, without those that a user leaves out',
  needsHelm,
  async () => {
    const rulesOf = async (values: object): Promise<string[]> => {
      const objects = await template(values)
      const rule = objects.find(({ kind }) => kind === 'PrometheusRule') ?? assert.fail('no PrometheusRule')
      const { groups } = rule.spec as { groups: { rules: AlertRule[] }[] }
      return groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
    }
    const metrics = { rules: { enabled: true } }
    const base = alerts.filter(({ needs }) => needs === undefined).map(({ name }) => name)
    assert.deepEqual(await rulesOf({ metrics }), base)
    const everything = {
      events: { enabled: true, queue: 'https://contoso.queue.core.windows.net/keymount', clientID: 'c', tenantID: 't' },
      restart: { enabled: true },
      sync: { enabled: true },
      webhook: { enabled: true, azureTenantID: 'contoso.com' },
    }
    assert.deepEqual(
      await rulesOf({ metrics, ...everything }),
      alerts.map(({ name }) => name),
    )
    assert.deepEqual(
      await rulesOf({ metrics: { rules: { enabled: true, disabled: ['KeymountDown'] } } }),
      base.filter((name) => name !== 'KeymountDown'),
    )
    const none = await template()
    assert.deepEqual(
      none.filter(({ apiVersion }) => apiVersion.startsWith('monitoring.coreos.com')),
      [],
    )
  },
)
