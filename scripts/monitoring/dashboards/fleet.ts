import { type DashboardSpec, lines, number } from '../dashboard.ts'

/** The whole cluster: is anything wrong, and where? */
export const fleet: DashboardSpec = {
  name: 'fleet',
  title: 'Keymount: fleet',
  description:
    'The whole cluster. Numbers that are not 0 are red; the dashboards of classes and nodes have the details.',
  variables: [],
  rows: [
    {
      title: 'Now',
      panels: [
        number('Volumes', 'short', { volumes: 'sum(rotation_volumes)' }),
        number(
          'Volumes whose last check failed',
          'short',
          { volumes: 'sum(rotation_failing_volumes)' },
          { description: 'They keep their files. The dashboard of classes shows whose they are.', limit: 1 },
        ),
        number('Volumes with values from before an outage', 'short', { volumes: 'sum(stale_volumes)' }, { limit: 1 }),
        number('Daemons that do not answer', 'short', { daemons: 'sum(1 - up{job="keymount"})' }, { limit: 1 }),
        number(
          'SecretSyncs that are not Ready',
          'short',
          { SecretSyncs: 'count(secretsync_ready == 0) or vector(0)' },
          { limit: 1 },
        ),
        number('Workloads that wait for a restart', 'short', { workloads: 'sum(restart_pending) or vector(0)' }),
        number(
          'Sources of events that do not answer',
          'short',
          { sources: 'count(events_source_up == 0) or vector(0)' },
          { limit: 1 },
        ),
        number('First certificate to expire', 's', {
          'until then': 'min(certificate_expiry_timestamp_seconds) - time()',
        }),
      ],
    },
    {
      title: 'Mounts and checks',
      panels: [
        lines('Mounts', 'ops', {
          mounted: 'sum(rate(node_publish_total[$__rate_interval]))',
          failed: 'sum(rate(node_publish_error_total[$__rate_interval]))',
          unmounted: 'sum(rate(node_unpublish_total[$__rate_interval]))',
        }),
        lines(
          'Mounts that fail, by code',
          'ops',
          { '{{error_type}}': 'sum by (error_type) (rate(node_publish_error_total[$__rate_interval]))' },
          { description: 'docs/errors.md has cause and fix of each code.' },
        ),
        lines('Rotation checks', 'ops', {
          'changed: {{rotated}}': 'sum by (rotated) (rate(rotation_reconcile_total[$__rate_interval]))',
          failed: 'sum(rate(rotation_reconcile_error_total[$__rate_interval]))',
        }),
        lines('Kubernetes Secrets of classes', 'ops', {
          written: 'sum(rate(sync_k8s_secret_total[$__rate_interval]))',
          failed: 'sum(rate(sync_k8s_secret_error_total[$__rate_interval]))',
          deleted: 'sum(rate(sync_k8s_secret_removed_total[$__rate_interval]))',
        }),
        lines('SecretSyncs', 'ops', {
          '{{result}} {{reason}}': 'sum by (result, reason) (rate(secretsync_reconcile_total[$__rate_interval]))',
        }),
        lines('Workloads that wait for a restart, by reason', 'short', {
          '{{reason}}': 'sum by (reason) (restart_pending)',
          'pods with older values': 'sum(restart_stale_pods)',
        }),
      ],
    },
  ],
}
