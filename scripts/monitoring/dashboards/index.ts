import { classes } from './class.ts'
import { fleet } from './fleet.ts'
import { nodes } from './node.ts'
import { slo } from './slo.ts'
import { vaultBudget } from './vault-budget.ts'

/** Every dashboard. */
export const dashboards = [fleet, classes, nodes, vaultBudget, slo]
