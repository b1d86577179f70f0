import type { RestartPreview } from '#product/operator'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { restartAnswer } from '../../restart/restart-answer.ts'
import { fail, fine, notKnown, type Observation, warn } from '../step.ts'

/** R1: what the operator would decide about the workload of the pod, in the words of `keymount restart`. */
export function judgeRestart(restart: Answer<RestartPreview | undefined>): Observation[] {
  if ('why' in restart) return [notKnown(restart.why)]
  const preview = restart.value
  if (preview === undefined) return [fine('its workload does not ask for restarts')]
  const { kind, name, namespace, action, problems } = preview
  const workload = `${kind.toLowerCase()}/${name}`
  if (action === 'misconfigured') {
    const [, annotation = 'keymount.dev/restart-on-rotation'] =
      /annotation (keymount\.dev\/[a-z-]+)/.exec(problems.join('; ')) ?? []
    // One that cannot be read is removed, which leaves the default.
    const change = annotation === 'keymount.dev/restart-on-rotation' ? `${annotation}=true` : `${annotation}-`
    return [
      fail('restart-misconfigured', `${workload}: ${problems.join('; ')}`, [
        commandLine('kubectl', 'annotate', workload, '--namespace', namespace, '--overwrite', change),
      ]),
    ]
  }
  const text = `${workload}: ${restartAnswer(preview)}`
  if (action === 'none') return [fine(text)]
  if (action === 'report') {
    const pods = preview.stalePods.slice(0, 5)
    return [warn('restart-by-hand', text, [commandLine('kubectl', 'delete', 'pod', ...pods, '--namespace', namespace)])]
  }
  const isPaused = action === 'wait' && preview.reason === 'paused'
  const command = isPaused ? 'resume' : 'restart'
  return [
    warn('restart-pending', text, [commandLine('kubectl', 'rollout', command, workload, '--namespace', namespace)]),
  ]
}
