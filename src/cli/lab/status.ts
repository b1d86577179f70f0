import { createKubeClient } from '#kubernetes/client'
import { chosenHome, type LabHome, type LabStatus, labStatus, readKubeconfig } from '#lab/home'
import { formatDuration, wrapText } from '#lib/formats'
import { type CliWorld, countOf, createTerminal, exitCodes, type Terminal } from '#terminal'
import { attempt } from '../answer.ts'
import { chosenKubeconfig } from '../cluster/chosen-kubeconfig.ts'
import { failureText } from '../cluster/failure-text.ts'
import { loadObjects } from '../status/load-objects.ts'
import type { VolumeRow } from '../status/rows.ts'
import { volumeRows } from '../status/volume-rows.ts'

export interface StatusCommand {
  /** `--home`. */
  home: string | undefined
  json: boolean
  world: CliWorld
}

type ClusterStatus = NonNullable<LabStatus['cluster']>

/** A pod that has not started because it has no volume yet. */
type WaitingPod = Pick<VolumeRow, 'namespace' | 'pod' | 'class' | 'code' | 'message' | 'since'>

/** `keymount status`. Exit status 0 if everything works and no pod waits for a volume, 3 if the lab is not up, 1 otherwise. */
export async function status({ home: named, json, world }: StatusCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const home = chosenHome(world, named)
  const [found, waiting] = await terminal.wait('asking the cluster', async () => {
    const lab = await labStatus(home, world.env)
    return [lab, lab.cluster === null ? [] : await waitingPods(named, world)] as const
  })
  if (json) {
    const cluster = found.cluster === null ? null : { ...found.cluster, waiting }
    terminal.line(JSON.stringify({ ...found, cluster }, null, 2))
  } else print(found, waiting, home, terminal)
  if (found.state === 'up' && (hasTrouble(found.cluster) || waiting.length > 0)) return exitCodes.failed
  return { up: exitCodes.ok, partly: exitCodes.failed, down: exitCodes.notUp }[found.state]
}

/** Of the cluster of the lab; none if its pods may not be listed, which the administrator of a lab may. */
async function waitingPods(named: string | undefined, world: CliWorld): Promise<WaitingPod[]> {
  const env = { ...world.env, KUBECONFIG: undefined }
  const kubeconfig = chosenKubeconfig({ home: named }, { ...world, env })
  const kube = createKubeClient(readKubeconfig(kubeconfig, world.env))
  try {
    const read = await attempt(() =>
      loadObjects(kube, { namespace: undefined, views: ['volumes'], signal: world.signal }),
    )
    if ('why' in read) return []
    const nowMs = Date.now() + (kube.clockOffsetMs() ?? 0)
    const rows = volumeRows(read.value.objects, { nowMs, quietMs: 0 }).filter(({ state }) => state === 'waiting')
    return rows.map(({ namespace, pod, class: name, code, message, since }) => {
      return { namespace, pod, class: name, code, message, since }
    })
  } finally {
    kube.close()
  }
}

function failingVolumes(cluster: ClusterStatus | null) {
  return cluster?.volumes.filter(({ failure }) => failure !== null) ?? []
}

function hasTrouble(cluster: ClusterStatus | null): boolean {
  return cluster?.volumes.some(({ failure, staleSince }) => failure !== null || staleSince !== null) ?? false
}

function print(found: LabStatus, waiting: readonly WaitingPod[], { option }: LabHome, terminal: Terminal): void {
  const { line, style } = terminal
  const words = { up: style.good('up'), partly: style.bad('only partly up'), down: style.dim('down') }
  line(`Lab in ${found.home}: ${words[found.state]}`)
  if (found.problem !== null) line(`  ${found.problem}`)
  for (const { name, pid, address, cluster, network } of found.processes) {
    const mark = pid === null ? style.bad('✗') : style.good('✓')
    const managed = cluster === undefined ? '' : `, managed cluster ${cluster}`
    line(`  ${mark} ${name.padEnd(14)} ${pid === null ? 'not running' : `process ${pid}, ${address}`}${managed}`)
    if (network !== undefined) line(`    ${style.dim(network)}`)
  }
  if (found.cluster !== null) {
    printProduct(found.cluster, terminal)
    printWaiting(waiting, terminal)
    printVolumes(found.cluster, terminal)
  }
  const advice = { up: undefined, partly: 'Repair it', down: 'Start it' }[found.state]
  if (advice !== undefined) line(`\n${advice}: ${style.command(`keymount up${option}`)}`)
}

function printProduct({ server, pods, registeredOn }: ClusterStatus, { line, style }: Terminal): void {
  line(`\nKeymount in ${server}, registered on ${registeredOn.join(', ') || 'no node'}`)
  for (const { name, node, phase, ready, restarts, problem } of pods) {
    const mark = ready ? style.good('✓') : style.bad('✗')
    const trouble = problem === undefined ? '' : `, ${problem}`
    line(`  ${mark} ${name} on ${node}: ${phase}, ${countOf(restarts, 'restart')}${trouble}`)
  }
}

function printWaiting(waiting: readonly WaitingPod[], { line, style, width }: Terminal): void {
  if (waiting.length === 0) return
  line(`\nPods that wait for a volume: ${style.bad(String(waiting.length))}`)
  for (const { namespace, pod, class: name, code, message, since } of waiting) {
    const age = since === null ? '' : ` since ${since} (${ageOf(since)})`
    line(`  ${style.bad('✗')} ${namespace}/${pod}: class ${name},${age}${code === null ? '' : `: ${code}`}`)
    for (const text of wrapText(message ?? '', width - 6)) line(`      ${text}`)
    line(`      ${style.command(`keymount doctor pod/${pod} -n ${namespace}`)}`)
  }
}

function printVolumes(cluster: ClusterStatus, { line, style, width }: Terminal): void {
  const { volumes } = cluster
  const failing = failingVolumes(cluster).length
  const stale = volumes.filter(({ staleSince }) => staleSince !== null).length
  const counts = { stale, failing }
  const summary = Object.entries(counts).map(([word, count]) =>
    count === 0 ? '' : `, ${style.bad(`${count} ${word}`)}`,
  )
  line(`\nMounted volumes: ${volumes.length}${summary.join('')}`)
  for (const { pod, class: name, objects, failure, staleSince } of volumes) {
    const isGood = failure === null && staleSince === null
    const kept = failure === null ? '' : '; the old files stay'
    const mark = isGood ? style.good('✓') : style.bad('✗')
    line(`  ${mark} ${pod}: class ${name}, ${countOf(objects, 'object')}${kept}`)
    if (staleSince !== null)
      line(
        `      values of ${staleSince} (${ageOf(staleSince)}), because its vault could not answer; read again every 15 s`,
      )
    if (failure === null) continue
    const since = failure.since === null ? '' : ` since ${failure.since} (${ageOf(failure.since)})`
    line(`      failing${since}${failure.code === null ? '' : `: ${failure.code}`}`)
    for (const text of wrapText(failureText(failure.message), width - 6)) line(`      ${text}`)
  }
}

function ageOf(time: string): string {
  const seconds = Math.max(Math.round((Date.now() - Date.parse(time)) / 1000), 0)
  return `${formatDuration(seconds * 1000)} ago`
}
