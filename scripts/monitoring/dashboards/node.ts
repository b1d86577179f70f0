import type { DashboardSpec } from '../dashboard.ts'

const chosen = '{node=~"$node"}'
const rated = (metric: string) => `rate(${metric}${chosen}[$__rate_interval])`

/** One node: its driver and its provider. */
export const nodes: DashboardSpec = {
  name: 'node',
  title: 'Keymount: nodes',
  description:
    'Driver and provider of a node. The label node comes from the scrape configuration (docs/monitoring.md).',
  variables: [{ name: 'node', metric: 'volume_memory_bytes' }],
  rows: [
    {
      title: 'Driver',
      panels: [
        {
          title: 'Volumes',
          kind: 'lines',
          unit: 'short',
          queries: [{ expr: `sum by (node) (rotation_volumes${chosen})`, legend: '{{node}}' }],
        },
        {
          title: 'Memory of volumes, of its budget',
          description: 'Beyond the budget, new pods of the node are refused.',
          kind: 'lines',
          unit: 'percentunit',
          limit: 0.8,
          queries: [{ expr: `volume_memory_bytes${chosen} / volume_memory_budget_bytes${chosen}`, legend: '{{node}}' }],
        },
        {
          title: 'Mounts that fail',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: `sum by (node, error_type) (${rated('node_publish_error_total')})`,
              legend: '{{node}} {{error_type}}',
            },
            { expr: `sum by (node) (${rated('node_unpublish_error_total')})`, legend: '{{node}} unmount' },
          ],
        },
        {
          title: 'Duration of a rotation check, 99 %',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: `histogram_quantile(0.99, sum by (le, node) (${rated('rotation_reconcile_duration_sec_bucket')}))`,
              legend: '{{node}}',
            },
          ],
        },
        {
          title: 'Rotation checks that fail, by code',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: `sum by (node, error_type) (${rated('rotation_reconcile_error_total')})`,
              legend: '{{node}} {{error_type}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Provider',
      panels: [
        {
          title: 'Answers to the driver',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: `sum by (node, grpc_code, grpc_message) (${rated('grpc_request_count')})`,
              legend: '{{node}} {{grpc_code}} {{grpc_message}}',
            },
          ],
        },
        {
          title: 'Duration of a mount, 99 %',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: `histogram_quantile(0.99, sum by (le, node) (rate(grpc_request_bucket{node=~"$node", grpc_method=~".*Mount"}[$__rate_interval])))`,
              legend: '{{node}}',
            },
          ],
        },
        {
          title: 'Memory of values that are kept for an outage',
          kind: 'lines',
          unit: 'bytes',
          queries: [{ expr: `sum by (node) (keymount_provider_last_good_bytes${chosen})`, legend: '{{node}}' }],
        },
      ],
    },
  ],
}
