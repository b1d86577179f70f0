import { countOf, type Terminal } from '#terminal'
import { failureText } from '../cluster/failure-text.ts'
import type { PinnedMount } from '../cluster/pinned-mounts.ts'
import type { ClassRef } from './class-ref.ts'
import type { ObjectVersions, VolumeOutcome } from './volume-outcome.ts'

export interface RotationResult {
  outcomes: readonly VolumeOutcome[]
  pinned: readonly PinnedMount[]
}

const titles: Record<VolumeOutcome['outcome'], string> = {
  changed: 'changed',
  unchanged: 'unchanged',
  failed: 'failed; the old files stay',
  gone: 'gone meanwhile',
  'no answer': 'no answer yet',
}

/** Pods with the same result are printed together, with what differs between before and after once for all of them. */
export function printRotation({ namespace, name }: ClassRef, result: RotationResult, terminal: Terminal): void {
  const { line, style } = terminal
  const { outcomes, pinned } = result
  if (outcomes.length === 0) {
    line(`No pod has the class ${namespace}/${name} mounted: there is nothing to rotate.`)
    return
  }
  for (const group of groups(outcomes)) printGroup(group, terminal)
  if (pinned.length === 0) return
  line()
  line(`${style.bad('!')} Mounted by subPath, so the old content stays until the container restarts:`)
  for (const { pod, container, mountPath } of pinned) line(`    ${pod}: ${mountPath} in container ${container}`)
}

/** Outcomes that read the same, in the order of {@link titles}. */
function groups(outcomes: readonly VolumeOutcome[]): VolumeOutcome[][] {
  const found = Object.values(
    Object.groupBy(outcomes, (one) => JSON.stringify([one.outcome, reasonOf(one), changesOf(one.objects)])),
  ).flatMap((group) => (group === undefined ? [] : [group]))
  const order = Object.keys(titles)
  const rank = ([first]: VolumeOutcome[]) => order.indexOf(first?.outcome ?? '')
  return found.toSorted((a, b) => rank(a) - rank(b))
}

function printGroup(group: readonly VolumeOutcome[], { line, style, width, wrap }: Terminal): void {
  const [first] = group
  if (first === undefined) return
  const { outcome, objects } = first
  const reason = reasonOf(first)
  const isBad = outcome === 'failed' || outcome === 'no answer'
  const names = group.map(({ pod }) => pod).toSorted()
  const mark = isBad ? style.bad('✗') : style.good('✓')
  const title = `${titles[outcome]}: ${countOf(names.length, 'pod')} (${names.join(', ')})`
  const [head = '', ...rest] = wrap(title, width - 2)
  line(`${mark} ${head}`)
  for (const text of rest) line(`  ${text}`)
  if (reason !== null) for (const text of wrap(reason, width - 4)) line(`    ${text}`)
  for (const change of changesOf(objects)) line(`    ${change}`)
}

function reasonOf({ reason }: VolumeOutcome): string | null {
  return reason === null ? null : failureText(reason)
}

/** Objects whose version is another one, in words. */
function changesOf(objects: readonly ObjectVersions[]): string[] {
  return objects
    .filter(({ before, after }) => before !== after)
    .map(({ id, before, after }) => {
      if (before === null) return `${id}  ${after} (new)`
      return after === null ? `${id}  ${before} (removed)` : `${id}  ${before} → ${after}`
    })
}
