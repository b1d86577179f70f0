import type { DashboardSpec } from '../dashboard.ts'

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
        {
          title: 'Volumes',
          kind: 'number',
          unit: 'short',
          queries: [{ expr: 'sum(rotation_volumes)', legend: 'volumes' }],
        },
        {
          title: 'Volumes whose last check failed',
          description: 'They keep their files. The dashboard of classes shows whose they are.',
          kind: 'number',
          unit: 'short',
          limit: 1,
          queries: [{ expr: 'sum(rotation_failing_volumes)', legend: 'volumes' }],
        },
        {
          title: 'Volumes with values from before an outage',
          kind: 'number',
          unit: 'short',
          limit: 1,
          queries: [{ expr: 'sum(stale_volumes)', legend: 'volumes' }],
        },
        {
          title: 'Daemons that do not answer',
          kind: 'number',
          unit: 'short',
          limit: 1,
          queries: [{ expr: 'sum(1 - up{job="keymount"})', legend: 'daemons' }],
        },
        {
          title: 'SecretSyncs that are not Ready',
          kind: 'number',
          unit: 'short',
          limit: 1,
          queries: [{ expr: 'count(secretsync_ready == 0) or vector(0)', legend: 'SecretSyncs' }],
        },
        {
          title: 'Workloads that wait for a restart',
          kind: 'number',
          unit: 'short',
          queries: [{ expr: 'sum(restart_pending) or vector(0)', legend: 'workloads' }],
        },
        {
          title: 'Sources of events that do not answer',
          kind: 'number',
          unit: 'short',
          limit: 1,
          queries: [{ expr: 'count(events_source_up == 0) or vector(0)', legend: 'sources' }],
        },
        {
          title: 'First certificate to expire',
          kind: 'number',
          unit: 's',
          queries: [{ expr: 'min(certificate_expiry_timestamp_seconds) - time()', legend: 'until then' }],
        },
      ],
    },
    {
      title: 'Mounts and checks',
      panels: [
        {
          title: 'Mounts',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum(rate(node_publish_total[$__rate_interval]))', legend: 'mounted' },
            { expr: 'sum(rate(node_publish_error_total[$__rate_interval]))', legend: 'failed' },
            { expr: 'sum(rate(node_unpublish_total[$__rate_interval]))', legend: 'unmounted' },
          ],
        },
        {
          title: 'Mounts that fail, by code',
          description: 'docs/errors.md has cause and fix of each code.',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (error_type) (rate(node_publish_error_total[$__rate_interval]))',
              legend: '{{error_type}}',
            },
          ],
        },
        {
          title: 'Rotation checks',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (rotated) (rate(rotation_reconcile_total[$__rate_interval]))',
              legend: 'changed: {{rotated}}',
            },
            { expr: 'sum(rate(rotation_reconcile_error_total[$__rate_interval]))', legend: 'failed' },
          ],
        },
        {
          title: 'Kubernetes Secrets of classes',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum(rate(sync_k8s_secret_total[$__rate_interval]))', legend: 'written' },
            { expr: 'sum(rate(sync_k8s_secret_error_total[$__rate_interval]))', legend: 'failed' },
            { expr: 'sum(rate(sync_k8s_secret_removed_total[$__rate_interval]))', legend: 'deleted' },
          ],
        },
        {
          title: 'SecretSyncs',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (result, reason) (rate(secretsync_reconcile_total[$__rate_interval]))',
              legend: '{{result}} {{reason}}',
            },
          ],
        },
        {
          title: 'Workloads that wait for a restart, by reason',
          kind: 'lines',
          unit: 'short',
          queries: [
            { expr: 'sum by (reason) (restart_pending)', legend: '{{reason}}' },
            { expr: 'sum(restart_stale_pods)', legend: 'pods with older values' },
          ],
        },
      ],
    },
  ],
}
