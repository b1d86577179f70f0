import { timestamp } from '#lib'
import type { DueRestart, WaitReason } from './decide.ts'

/** Texts of events. They hold times that stay the same while a workload waits, so that an event is not written again by each pass. */
export const eventTexts = {
  restarted: (due: DueRestart, guessed: boolean) =>
    `restarted, because ${podsOf(due)} started with older versions of secrets than are mounted now (${due.key})${
      guessed ? '; the driver does not record what a pod started with, so this was guessed from times' : ''
    }`,
  wouldRestart: (due: DueRestart) =>
    `would be restarted (dry run): ${podsOf(due)} started with older versions of secrets than are mounted now (${due.key})`,
  withoutAgreement: (due: DueRestart) =>
    `restarted although its pods do not have the same versions of secrets: they have disagreed since ${timestamp(due.since)}; look for pods whose rotation fails`,
  onDelete: (due: DueRestart) =>
    `${podsOf(due)} started with older versions of secrets than are mounted now; delete the pods, as updateStrategy OnDelete asks for (${due.key})`,
  loose: (pod: string) =>
    `pod ${pod} started with older versions of secrets than are mounted now, and no Deployment, StatefulSet or DaemonSet would replace it; its next pod has the new ones`,
  olderDriver:
    'it is not known whether pods started with older versions of secrets: their driver does not record what they started with. Update the driver and replace the pods, or set restart.guess',
  misconfigured: (problems: readonly string[]) => `not restarted: ${problems.join('; ')}`,
  targets: (names: readonly string[]) =>
    `annotation keymount.dev/restart: found ${names.map((name) => JSON.stringify(name)).join(', ')}, expected deployment/NAME, statefulset/NAME, daemonset/NAME or rollout/NAME, separated by commas`,
  failed: (reason: string) => `could not be restarted: ${reason}`,
} as const

function podsOf({ stalePods }: DueRestart): string {
  return stalePods.length === 1 ? `pod ${stalePods[0]}` : `${stalePods.length} pods`
}

/** What a workload waits for; undefined for a wait that is part of every restart. */
export function describeWait(wait: { reason: WaitReason; untilMs: number | undefined }): string | undefined {
  const until = wait.untilMs === undefined ? '' : timestamp(wait.untilMs)
  const texts: Record<WaitReason, string | undefined> = {
    agreement: `pods have new versions of secrets; the restart waits until all pods have them, at the latest until ${until}`,
    secret:
      'pods have new versions of secrets; the restart waits until the Secrets of the class (secretObjects) have them too',
    again: `pods have started with older versions of secrets since the last restart for these versions; the restart waits until ${until}`,
    paused: 'pods have new versions of secrets; the restart waits until the workload is no longer paused (spec.paused)',
    rollout: undefined,
    'min-interval': `pods have new versions of secrets; the restart waits for the minimum interval, until ${until}`,
    window: `pods have new versions of secrets; the restart waits for its window, until ${until}`,
  }
  return texts[wait.reason]
}
