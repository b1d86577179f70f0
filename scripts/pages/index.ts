import { dashboards } from '../monitoring/dashboards/index.ts'
import { renderDashboard } from '../monitoring/render-dashboard.ts'
import { chartRules, rulesFile } from '../monitoring/render-rules.ts'
import { alertsPage } from './alerts-page.ts'
import { argocdConfig } from './argocd-config.ts'
import { chartFlags } from './chart-flags.ts'
import { classPage } from './class-page.ts'
import { classSchema } from './class-schema.ts'
import { compatibilityPage } from './compatibility-page.ts'
import { errorsPage } from './errors-page.ts'
import { flagsPage } from './flags-page.ts'
import { labOperationsPage } from './lab-operations-page.ts'
import { limitsPage } from './limits-page.ts'
import { lintPage } from './lint-page.ts'
import { metricsPage } from './metrics-page.ts'
import { migrateFindingsPage } from './migrate-findings-page.ts'

const dashboardFiles = Object.fromEntries(
  dashboards.map((dashboard) => [
    `charts/keymount/files/generated/dashboards/${dashboard.name}.json`,
    () => renderDashboard(dashboard),
  ]),
)

/** Every generated page and schema: its path → its text. */
export const generatedFiles: Readonly<Record<string, () => string | Promise<string>>> = {
  'charts/keymount/files/generated/alerts.json': chartRules,
  'charts/keymount/files/generated/flags.json': chartFlags,
  ...dashboardFiles,
  'deploy/argocd/argocd-cm.yaml': argocdConfig,
  'deploy/monitoring/prometheus-rules.yaml': () => rulesFile(),
  'docs/alerts.md': alertsPage,
  'docs/compatibility.md': compatibilityPage,
  'docs/errors.md': errorsPage,
  'docs/flags.md': flagsPage,
  'docs/lab-operations.md': labOperationsPage,
  'docs/limits.md': limitsPage,
  'docs/lint.md': lintPage,
  'docs/metrics.md': metricsPage,
  'docs/migrate-findings.md': migrateFindingsPage,
  'docs/secretproviderclass.md': classPage,
  'schemas/secretproviderclass.schema.json': () => `${JSON.stringify(classSchema(), undefined, 2)}\n`,
}
