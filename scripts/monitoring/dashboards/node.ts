import { type DashboardSpec, lines } from '../dashboard.ts'

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
        lines('Volumes', 'short', { '{{node}}': `sum by (node) (rotation_volumes${chosen})` }),
        lines(
          'Memory of volumes, of its budget',
          'percentunit',
          { '{{node}}': `volume_memory_bytes${chosen} / volume_memory_budget_bytes${chosen}` },
          { description: 'Beyond the budget, new pods of the node are refused.', limit: 0.8 },
        ),
        lines('Mounts that fail', 'ops', {
          '{{node}} {{error_type}}': `sum by (node, error_type) (${rated('node_publish_error_total')})`,
          '{{node}} unmount': `sum by (node) (${rated('node_unpublish_error_total')})`,
        }),
        lines('Duration of a rotation check, 99 %', 's', {
          '{{node}}': `histogram_quantile(0.99, sum by (le, node) (${rated('rotation_reconcile_duration_sec_bucket')}))`,
        }),
        lines('Rotation checks that fail, by code', 'ops', {
          '{{node}} {{error_type}}': `sum by (node, error_type) (${rated('rotation_reconcile_error_total')})`,
        }),
      ],
    },
    {
      title: 'Provider',
      panels: [
        lines('Answers to the driver', 'ops', {
          '{{node}} {{grpc_code}} {{grpc_message}}': `sum by (node, grpc_code, grpc_message) (${rated('grpc_request_count')})`,
        }),
        lines('Duration of a mount, 99 %', 's', {
          '{{node}}': `histogram_quantile(0.99, sum by (le, node) (rate(grpc_request_bucket{node=~"$node", grpc_method=~".*Mount"}[$__rate_interval])))`,
        }),
        lines('Memory of values that are kept for an outage', 'bytes', {
          '{{node}}': `sum by (node) (keymount_provider_last_good_bytes${chosen})`,
        }),
      ],
    },
  ],
}
