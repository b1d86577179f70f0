import { type DashboardSpec, lines, number } from '../dashboard.ts'

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
        number(
          'Mounts that succeed',
          'percentunit',
          { share: share('node_publish_total', 'node_publish_error_total') },
          {
            description:
              'kubelet repeats a failing mount, so that one pod with a mistake in its class counts many times.',
          },
        ),
        number('Rotation checks that succeed', 'percentunit', {
          share: share('rotation_reconcile_total', 'rotation_reconcile_error_total'),
        }),
        number('Volumes that are current now', 'percentunit', {
          share: '1 - sum(rotation_failing_volumes) / sum(rotation_volumes)',
        }),
      ],
    },
    {
      title: 'Time, 99 % of an hour',
      panels: [
        lines(
          'From a change in the vault to the files',
          's',
          { '{{source}}': quantile('keymount_change_to_file_seconds', 'source') },
          { description: 'poll: at most, because a poll does not see when a value changed.' },
        ),
        lines('From a change in the vault to the annotation of the class', 's', {
          events: quantile('events_lag_seconds', ''),
        }),
        lines('A mount in the provider', 's', { '{{grpc_method}}': quantile('grpc_request', 'grpc_method') }),
        lines('From a change to the restart of a workload', 's', {
          restarts: quantile('restart_decision_seconds', ''),
        }),
        lines('A check of a SecretSync', 's', { checks: quantile('secretsync_reconcile_duration_seconds', '') }),
        lines('What the webhook adds to the creation of a pod', 's', {
          webhook: quantile('azwi_mutation_request', ''),
        }),
      ],
    },
  ],
}
