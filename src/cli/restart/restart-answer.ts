import type { RestartPreview } from '#product/operator'

const waits: Record<string, string> = {
  agreement: 'until all pods have the same versions',
  secret: 'until the Secrets of the class have the new versions',
  again: 'because it was already restarted for these versions',
  paused: 'because the workload is paused',
  rollout: 'for the rollout that is under way',
  'min-interval': 'for the minimum interval',
  window: 'for its window',
}

const nothing: Record<string, string> = {
  fresh: 'all pods have the versions that they started with',
  triggered: 'already rolled out for the present versions',
  'not-mounted': 'no pod mounts one of its classes',
  'older-driver': 'the driver does not record what pods started with (restart.guess)',
  gone: 'it is being deleted',
}

/** What the operator would do about a workload, in words. */
export function restartAnswer({ action, reason, until }: RestartPreview): string {
  if (action === 'restart') return 'would be restarted now'
  if (action === 'report') return 'its pods have to be deleted by hand (updateStrategy OnDelete)'
  if (action === 'misconfigured') return 'not restarted: its annotations cannot be read'
  if (action === 'none') return nothing[reason] ?? reason
  return `would be restarted; waits ${waits[reason] ?? reason}${until === undefined ? '' : `, until ${until}`}`
}
