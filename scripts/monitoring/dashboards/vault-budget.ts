import type { DashboardSpec } from '../dashboard.ts'

/** How much of what Azure answers does this cluster use? */
export const vaultBudget: DashboardSpec = {
  name: 'vault-budget',
  title: 'Keymount: vault budget',
  description:
    'Requests to vaults and to Entra of this cluster. Key Vault takes 4,000 requests in 10 seconds per vault; other clients share them.',
  variables: [{ name: 'vault', metric: 'keymount_provider_vault_requests_total' }],
  rows: [
    {
      title: 'Vaults',
      panels: [
        {
          title: 'Requests in 10 seconds',
          kind: 'lines',
          unit: 'short',
          limit: 4000,
          queries: [
            {
              expr: 'sum by (vault) (rate(keymount_provider_vault_requests_total{vault=~"$vault"}[$__rate_interval])) * 10',
              legend: '{{vault}}',
            },
          ],
        },
        {
          title: 'Answers that ask for fewer requests',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum by (host) (rate(keymount_provider_throttled_total[$__rate_interval]))', legend: '{{host}}' },
          ],
        },
        {
          title: 'Reads by how they were answered',
          description: 'joined and shared need no request: pods of a node share a read.',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum by (outcome) (rate(keymount_provider_reads_total[$__rate_interval]))', legend: '{{outcome}}' },
          ],
        },
        {
          title: 'Duration of a request, 99 %',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (le, object_type) (rate(keyvault_request_bucket[$__rate_interval])))',
              legend: '{{object_type}}',
            },
          ],
        },
        {
          title: 'Requests that fail, by code',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum by (error) (rate(keyvault_request_count{error!=""}[$__rate_interval]))', legend: '{{error}}' },
          ],
        },
        {
          title: 'Days until objects expire, the first ten',
          kind: 'lines',
          unit: 'd',
          queries: [
            {
              expr: 'bottomk(10, min by (vault, object_name) (keymount_provider_object_expiry_days{vault=~"$vault"}))',
              legend: '{{vault}} {{object_name}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Entra',
      panels: [
        {
          title: 'Sign-ins, by kind',
          kind: 'lines',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (kind, outcome) (rate(keymount_provider_token_acquisitions_total[$__rate_interval]))',
              legend: '{{kind}} {{outcome}}',
            },
          ],
        },
        {
          title: 'Requests to Entra',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum by (result) (rate(entra_token_requests_total[$__rate_interval]))', legend: '{{result}}' },
          ],
        },
      ],
    },
    {
      title: 'Other readers',
      panels: [
        {
          title: 'Reads of the controller of SecretSyncs',
          kind: 'lines',
          unit: 'ops',
          queries: [{ expr: 'sum(rate(secretsync_provider_reads_total[$__rate_interval]))', legend: 'reads' }],
        },
        {
          title: 'Events of vaults',
          description: 'What arrives as an event needs no polling.',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: 'sum by (kind) (rate(events_received_total[$__rate_interval]))', legend: '{{kind}}' },
            { expr: 'sum by (why) (rate(events_ignored_total[$__rate_interval]))', legend: 'ignored: {{why}}' },
          ],
        },
      ],
    },
  ],
}
