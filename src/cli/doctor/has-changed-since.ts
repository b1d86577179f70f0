import type { SecretProviderClass } from '#kubernetes/client'
import { stringOf, valueAt } from '#lib/formats'
import type { ClusterFacts } from '../identity/doctor/cluster-facts.ts'
import type { Report } from './reports.ts'
import type { StepId } from './step.ts'

/** Steps whose reports a change of the class can make history: what it names, and as whom it signs in. */
const stepsOfClass: ReadonlySet<StepId> = new Set(['K3', 'K4', 'I3', 'I5', 'I6', 'I7', 'I8', 'I9', 'V1', 'V2'])

/** Whether the class was changed after the report about it. */
export function hasChangedSince(report: Report, { classes }: Pick<ClusterFacts, 'classes'>): boolean {
  const { step, at, lastAt = at, className } = report
  // Times of changes have whole seconds: of a report in the same second it is not known, so it counts as one of now.
  const reported = Math.floor((Date.parse(lastAt) || Number.POSITIVE_INFINITY) / 1000) * 1000
  // The driver reads stale values every 15 s: the record is of now.
  if (!stepsOfClass.has(step) || report.isStale === true) return false
  return classes.some((mounted) => {
    const object = 'value' in mounted.class ? mounted.class.value : undefined
    if (object === undefined || (className !== undefined && mounted.className !== className)) return false
    return lastChange(object) > reported
  })
}

/** In milliseconds since the Unix epoch. Annotations are not what a volume is read by. */
function lastChange({ metadata }: SecretProviderClass): number {
  const times = (metadata.managedFields ?? []).flatMap((entry) => {
    const fields = valueAt(entry, 'fieldsV1')
    const isOfSpec = fields === undefined || valueAt(fields, 'f:spec') !== undefined
    return isOfSpec ? (stringOf(valueAt(entry, 'time')) ?? []) : []
  })
  return Math.max(...[metadata.creationTimestamp ?? '', ...times].map((time) => Date.parse(time) || 0))
}
