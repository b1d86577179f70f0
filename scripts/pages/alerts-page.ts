import { type Alert, alerts } from '../monitoring/alerts.ts'
import { generatedFrom } from './table.ts'

const intro = `# Alerts and their runbooks

${generatedFrom('the table of alerts (`scripts/monitoring/alerts.ts`)')}

One heading per alert: what it means for pods, when it fires and why then, and what to do. The annotation \`runbook_url\` of each alert
leads here. The chart installs them as a PrometheusRule with \`metrics.rules.enabled=true\`; without the Prometheus Operator, load
[deploy/monitoring/prometheus-rules.yaml](../deploy/monitoring/prometheus-rules.yaml). [monitoring.md](monitoring.md) has how to scrape the daemons, and the
queries behind the dashboards.
`

/** The text of docs/alerts.md. */
export function alertsPage(): string {
  return [intro, ...alerts.map(section)].join('\n')
}

const partTexts: Readonly<Record<NonNullable<Alert['needs']>, string>> = {
  events: ' Installed with `events.enabled`.',
  restart: ' Installed with `restart.enabled`.',
  sync: ' Installed with `sync.enabled`.',
  webhook: ' Installed with `webhook.enabled`.',
}

function section({ name, expr, for: holds, severity, needs, meaning, why, steps }: Alert): string {
  const when = holds === undefined ? 'at once' : `when it holds for ${holds}`
  const part = needs === undefined ? '' : partTexts[needs]
  return `## ${name}

${meaning}

\`\`\`
${expr}
\`\`\`

Severity ${severity}; fires ${when}.${part} ${why}

${steps.map((step, i) => `${i + 1}. ${step}`).join('\n')}
`
}
