import { previewRestarts, type RestartPreview } from '#product/operator'
import { CliError, type CliWorld, countOf, createTerminal, exitCodes, type Terminal } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import type { ClusterOption } from '../options.ts'
import { restartAnswer } from './restart-answer.ts'

export interface ListRestartsCommand {
  /** Undefined: all. */
  namespace: string | undefined
  dryRun: boolean
  guess: boolean
  reloaderAnnotations: boolean
  cluster: ClusterOption
  json: boolean
  world: CliWorld
}

/** The operator's defaults. */
const rotationIntervalMs = 120_000
const minIntervalMs = 300_000

/** `keymount restart --dry-run`: what the operator would do now about each workload that asks for restarts. */
export async function listRestarts(command: ListRestartsCommand): Promise<number> {
  const { namespace, guess, reloaderAnnotations, json, cluster, world } = command
  if (!command.dryRun) {
    const fix = [
      'Add --dry-run to list what would be restarted.',
      'The operator restarts: restart.enabled of the chart.',
    ]
    throw new CliError({ what: 'this command restarts nothing by itself', fix, code: 'usage' })
  }
  const terminal = createTerminal(world)
  return withCluster(cluster, world, async ({ kube }) => {
    const signal = world.signal ?? new AbortController().signal
    const options = { namespace, guess, reloaderAnnotations, rotationIntervalMs, minIntervalMs, signal }
    const previews = await terminal.wait('reading workloads, pods and their volumes', () =>
      previewRestarts(kube, options),
    )
    if (json) terminal.line(JSON.stringify({ workloads: previews }, null, 2))
    else print(previews, terminal)
    return exitCodes.ok
  })
}

function print(previews: readonly RestartPreview[], { line, style }: Terminal): void {
  if (previews.length === 0) {
    line('No workload with running pods asks for restarts (annotation keymount.dev/restart-on-rotation).')
    return
  }
  for (const preview of previews) {
    const mark = preview.action === 'none' ? style.good('✓') : style.bad('!')
    line(`${mark} ${preview.kind.toLowerCase()} ${preview.namespace}/${preview.name}: ${restartAnswer(preview)}`)
    for (const problem of preview.problems) line(`    ${problem}`)
    if (preview.stalePods.length > 0)
      line(
        `    ${countOf(preview.stalePods.length, 'pod')} of ${preview.pods} started with older versions, since ${preview.since}`,
      )
  }
}
