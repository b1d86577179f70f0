import { coreKinds } from './core-kinds.ts'
import { otherKinds } from './other-kinds.ts'
import type { ResourceRow } from './resource-row.ts'
import { workloadKinds } from './workload-kinds.ts'

/** The built-in kinds. Adding one is adding a row to the list of its group. */
export const builtInRows: readonly ResourceRow[] = [...coreKinds, ...workloadKinds, ...otherKinds]
