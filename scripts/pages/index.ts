import { chartFlags } from './chart-flags.ts'
import { classPage } from './class-page.ts'
import { classSchema } from './class-schema.ts'
import { errorsPage } from './errors-page.ts'
import { flagsPage } from './flags-page.ts'
import { labOperationsPage } from './lab-operations-page.ts'
import { limitsPage } from './limits-page.ts'
import { lintPage } from './lint-page.ts'
import { metricsPage } from './metrics-page.ts'

/** Every generated page and schema: its path → its text. */
export const generatedFiles: Readonly<Record<string, () => string | Promise<string>>> = {
  'charts/keymount/files/generated/flags.json': chartFlags,
  'docs/errors.md': errorsPage,
  'docs/flags.md': flagsPage,
  'docs/lab-operations.md': labOperationsPage,
  'docs/limits.md': limitsPage,
  'docs/lint.md': lintPage,
  'docs/metrics.md': metricsPage,
  'docs/secretproviderclass.md': classPage,
  'schemas/secretproviderclass.schema.json': () => `${JSON.stringify(classSchema(), undefined, 2)}\n`,
}
