import type { DashboardSpec } from '../dashboard.ts'

const share = (good: string, bad: string) =>
  `sum(increase(${good}[30d])) / (sum(increase(${good}[30d])) + (sum(increase(${bad}[30d])) or vector(0)))`
const quantile = (metric: string, by: string, q = 0.99) =>
  `histogram_quantile(${q}, sum by (${['le', by].filter((label) => label !== '').join(', ')}) (rate(${metric}_bucket[1h])))`

/** What users of the cluster may expect: does a mount succeed, and how long does a change take? */
export const slo: DashboardSpec = {
  name: 'slo',
  title: 'Keymount: service levels',
  description:
    'What users may expect, over 30 days: mounts that succeed, checks that succeed, and the time from a change in the vault to the files.',
  variables: [],
  rows: [
    {
      title: '30 days',
      panels: [
        {
          title: 'Mounts that succeed',
          description:
            'kubelet repeats a failing mount, so that one pod with a mistake in its class counts many times.',
          kind: 'number',
          unit: 'percentunit',
          queries: [{ expr: share('node_publish_total', 'node_publish_error_total'), legend: 'share' }],
        },
        {
          title: 'Rotation checks that succeed',
          kind: 'number',
          unit: 'percentunit',
          queries: [{ expr: share('rotation_reconcile_total', 'rotation_reconcile_error_total'), legend: 'share' }],
        },
        {
          title: 'Volumes that are current now',
          kind: 'number',
          unit: 'percentunit',
          queries: [{ expr: '1 - sum(rotation_failing_volumes) / sum(rotation_volumes)', legend: 'share' }],
        },
      ],
    },
    {
      title: 'Time, 99 % of an hour',
      panels: [
        {
          title: 'From a change in the vault to the files',
          description: 'poll: at most, because a poll does not see when a value changed.',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantile('keymount_change_to_file_seconds', 'source'), legend: '{{source}}' }],
        },
        {
          title: 'From a change in the vault to the annotation of the class',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantile('events_lag_seconds', ''), legend: 'events' }],
        },
        {
          title: 'A mount in the provider',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantile('grpc_request', 'grpc_method'), legend: '{{grpc_method}}' }],
        },
        {
          title: 'From a change to the restart of a workload',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantile('restart_decision_seconds', ''), legend: 'restarts' }],
        },
        {
          title: 'A check of a SecretSync',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantile('secretsync_reconcile_duration_seconds', ''), legend: 'checks' }],
        },
        {
          title: 'What the webhook adds to the creation of a pod',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantile('azwi_mutation_request', ''), legend: 'webhook' }],
        },
      ],
    },
  ],
}
