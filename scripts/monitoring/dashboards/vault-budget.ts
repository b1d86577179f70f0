import { type DashboardSpec, lines } from '../dashboard.ts'

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
        lines(
          'Requests in 10 seconds',
          'short',
          {
            '{{vault}}':
              'sum by (vault) (rate(keymount_provider_vault_requests_total{vault=~"$vault"}[$__rate_interval])) * 10',
          },
          { limit: 4000 },
        ),
        lines('Answers that ask for fewer requests', 'ops', {
          '{{host}}': 'sum by (host) (rate(keymount_provider_throttled_total[$__rate_interval]))',
        }),
        lines(
          'Reads by how they were answered',
          'ops',
          { '{{outcome}}': 'sum by (outcome) (rate(keymount_provider_reads_total[$__rate_interval]))' },
          { description: 'joined and shared need no request: pods of a node share a read.' },
        ),
        lines('Duration of a request, 99 %', 's', {
          '{{object_type}}':
            'histogram_quantile(0.99, sum by (le, object_type) (rate(keyvault_request_bucket[$__rate_interval])))',
        }),
        lines('Requests that fail, by code', 'ops', {
          '{{error}}': 'sum by (error) (rate(keyvault_request_count{error!=""}[$__rate_interval]))',
        }),
        lines('Days until objects expire, the first ten', 'd', {
          '{{vault}} {{object_name}}':
            'bottomk(10, min by (vault, object_name) (keymount_provider_object_expiry_days{vault=~"$vault"}))',
        }),
      ],
    },
    {
      title: 'Entra',
      panels: [
        lines('Sign-ins, by kind', 'ops', {
          '{{kind}} {{outcome}}':
            'sum by (kind, outcome) (rate(keymount_provider_token_acquisitions_total[$__rate_interval]))',
        }),
        lines('Requests to Entra', 'ops', {
          '{{result}}': 'sum by (result) (rate(entra_token_requests_total[$__rate_interval]))',
        }),
      ],
    },
    {
      title: 'Other readers',
      panels: [
        lines('Reads of the controller of SecretSyncs', 'ops', {
          reads: 'sum(rate(secretsync_provider_reads_total[$__rate_interval]))',
        }),
        lines(
          'Events of vaults',
          'ops',
          {
            '{{kind}}': 'sum by (kind) (rate(events_received_total[$__rate_interval]))',
            'ignored: {{why}}': 'sum by (why) (rate(events_ignored_total[$__rate_interval]))',
          },
          { description: 'What arrives as an event needs no polling.' },
        ),
      ],
    },
  ],
}
