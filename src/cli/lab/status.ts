import { createKubeClient, type KubeClient } from '#kubernetes/client'
import {
  anyClusterStatus,
  type ClusterStatus,
  chosenHome,
  isDown,
  type LabHome,
  type LabStatus,
  labStatus,
  readinessOf,
  readKubeconfig,
} from '#lab/home'
import { formatDuration } from '#lib/formats'
import { type CliWorld, commandLine, countOf, createTerminal, exitCodes, type Terminal } from '#terminal'
import { attempt } from '../answer.ts'
import { chosenKubeconfig, kubeconfigIfAny } from '../cluster/chosen-kubeconfig.ts'
import { failureText } from '../cluster/failure-text.ts'
import { isOfLab } from '../cluster/is-of-lab.ts'
import type { ClusterOption } from '../options.ts'
import { loadObjects } from '../status/load-objects.ts'
import { printFormat, type StatusFormat } from '../status/print-format.ts'
import type { VolumeRow } from '../status/rows.ts'
import { volumeRows } from '../status/volume-rows.ts'

export interface StatusCommand {
  /** `--home`. */
  home: string | undefined
  /** `--kubeconfig`. */
  kubeconfig?: string | undefined
  format: StatusFormat
  world: CliWorld
}

/** A pod that has not started because it has no volume yet. */
type WaitingPod = Pick<VolumeRow, 'namespace' | 'pod' | 'class' | 'code' | 'message' | 'since'>

/**
 * `keymount status`. Exit status 0 if everything works and no pod waits for a volume, 3 if there is neither a lab nor another
 * cluster, 1 otherwise.
 */
export async function status({ home: named, kubeconfig, format, world }: StatusCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const home = chosenHome(world, named)
  const found = await terminal.wait('asking the cluster', () => gather({ home: named, kubeconfig }, world, home))
  if (format !== 'text') {
    const cluster = found.cluster === null ? null : { ...found.cluster, waiting: found.waiting }
    terminal.line(printFormat({ ...found.lab, kubeconfig: found.other ?? null, cluster }, format))
  } else print(found, home, terminal)
  return exitCodeOf(found)
}

interface Gathered {
  lab: LabStatus
  /** The kubeconfig of a cluster that is not the lab's. */
  other: string | undefined
  /** The cluster that is described: the other one, if there is one. */
  cluster: ClusterStatus | null
  waiting: readonly WaitingPod[]
}

async function gather(options: ClusterOption, world: CliWorld, home: LabHome): Promise<Gathered> {
  const lab = await labStatus(home, world.env)
  const other = otherCluster(options, lab, world)
  if (other !== undefined) {
    return withKube(other, world, async (kube) => {
      const [cluster, waiting] = await Promise.all([anyClusterStatus(kube), waitingPods(kube, world)])
      return { lab, other, cluster, waiting }
    })
  }
  const { cluster } = lab
  if (cluster === null) return { lab, other, cluster, waiting: [] }
  const env = { ...world.env, KUBECONFIG: undefined }
  const ofLab = chosenKubeconfig({ home: options.home }, { ...world, env })
  return { lab, other, cluster, waiting: await withKube(ofLab, world, (kube) => waitingPods(kube, world)) }
}

/** The kubeconfig that is chosen, where its cluster is not that of the lab. With `--home` alone, only the lab is meant. */
function otherCluster({ home, kubeconfig }: ClusterOption, lab: LabStatus, world: CliWorld): string | undefined {
  if (kubeconfig === undefined && home !== undefined) return undefined
  const chosen = kubeconfigIfAny({ home, kubeconfig }, world)
  if (chosen === undefined) return undefined
  const isNamed = kubeconfig !== undefined || (world.env.KUBECONFIG ?? '') !== ''
  // The usual kubeconfig counts only where there is no lab.
  if (!isNamed && lab.state !== 'down') return undefined
  // After `keymount down`, KUBECONFIG may still be that of the lab.
  if (kubeconfig === undefined && lab.cluster === null && isOfLab(chosen, { root: lab.home })) return undefined
  return readKubeconfig(chosen, world.env).server.replace(/\/$/, '') === lab.cluster?.server.replace(/\/$/, '')
    ? undefined
    : chosen
}

async function withKube<T>(path: string, world: CliWorld, work: (kube: KubeClient) => Promise<T>): Promise<T> {
  const kube = createKubeClient(readKubeconfig(path, world.env))
  try {
    return await work(kube)
  } finally {
    kube.close()
  }
}

function exitCodeOf({ lab, other, cluster, waiting }: Gathered): number {
  if (hasTrouble(cluster) || waiting.length > 0) return exitCodes.failed
  if (other !== undefined) return cluster !== null && isRunning(cluster) ? exitCodes.ok : exitCodes.failed
  return { up: exitCodes.ok, partly: exitCodes.failed, down: exitCodes.notUp }[lab.state]
}

function isRunning({ pods, registeredOn }: ClusterStatus): boolean {
  return pods.length > 0 && pods.every(({ ready }) => ready) && registeredOn.length > 0
}

/** None if its pods may not be listed. */
async function waitingPods(kube: KubeClient, world: CliWorld): Promise<WaitingPod[]> {
  const read = await attempt(() =>
    loadObjects(kube, { namespace: undefined, views: ['volumes'], signal: world.signal }),
  )
  if ('why' in read) return []
  const nowMs = Date.now() + (kube.clockOffsetMs() ?? 0)
  const rows = volumeRows(read.value.objects, { nowMs, quietMs: 0 }).filter(({ state }) => state === 'waiting')
  return rows.map(({ namespace, pod, class: name, code, message, since }) => {
    return { namespace, pod, class: name, code, message, since }
  })
}

function failingVolumes(cluster: ClusterStatus | null) {
  return cluster?.volumes.filter(({ failure }) => failure !== null) ?? []
}

function hasTrouble(cluster: ClusterStatus | null): boolean {
  if (cluster === null) return false
  const { volumes, deployments } = cluster
  return volumes.some(({ failure, staleSince }) => failure !== null || staleSince !== null) || deployments.some(isDown)
}

function print({ lab, other, cluster, waiting }: Gathered, home: LabHome, terminal: Terminal): void {
  // Without a lab, only the cluster is of interest.
  if (other === undefined || lab.state !== 'down') printLab(lab, terminal)
  if (other !== undefined) {
    const [before, label] = lab.state === 'down' ? ['', 'Cluster of'] : ['\n', 'Another cluster than that of the lab:']
    terminal.line(`${before}${label} ${other}`)
  }
  if (cluster !== null && (other === undefined || cluster.pods.length > 0)) {
    printProduct(cluster, terminal)
    printWaiting(waiting, terminal)
    printVolumes(cluster, terminal)
  } else if (cluster !== null) printMissing(cluster, terminal)
  const advice = { up: undefined, partly: 'Repair it', down: 'Start it' }[lab.state]
  if (advice !== undefined && other === undefined)
    terminal.line(`\n${advice}: ${terminal.style.command(`keymount up${home.option}`)}`)
}

function printMissing({ server }: ClusterStatus, { line, style }: Terminal): void {
  line(`\n${style.bad('✗')} Keymount is not installed in ${server}: it has no pod of driver or provider`)
  line(`\nInstall it: ${style.command('helm upgrade --install keymount charts/keymount -n kube-system')}`)
}

function printLab(found: LabStatus, terminal: Terminal): void {
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
}

function printProduct({ server, pods, deployments, registeredOn }: ClusterStatus, { line, style }: Terminal): void {
  line(`\nKeymount in ${server}, registered on ${registeredOn.join(', ') || 'no node'}`)
  for (const { name, node, phase, ready, restarts, problem } of pods) {
    const mark = ready ? style.good('✓') : style.bad('✗')
    const trouble = problem === undefined ? '' : `, ${problem}`
    line(`  ${mark} ${name} on ${node}: ${phase}, ${countOf(restarts, 'restart')}${trouble}`)
  }
  for (const deployment of deployments) {
    const { ready, wanted, name, namespace } = deployment
    const mark = isDown(deployment) ? style.bad('✗') : ready < wanted ? style.bad('!') : style.good('✓')
    line(`  ${mark} deployment ${name}: ${readinessOf(deployment)}`)
    if (isDown(deployment))
      line(`      ${style.command(commandLine('kubectl', 'describe', 'deployment', name, '--namespace', namespace))}`)
  }
}

function printWaiting(waiting: readonly WaitingPod[], { line, style, width, wrap }: Terminal): void {
  if (waiting.length === 0) return
  line(`\nPods that wait for a volume: ${style.bad(String(waiting.length))}`)
  // The pods of a class wait for one reason, which is printed once.
  const groups = Map.groupBy(waiting, ({ namespace, class: name, code }) => JSON.stringify([namespace, name, code]))
  for (const group of groups.values()) {
    const [{ namespace, pod, class: name, code, message }] = group as [WaitingPod]
    const [since] = group.flatMap((one) => one.since ?? []).toSorted()
    const age = since === undefined ? '' : ` since ${since} (${ageOf(since)})`
    line(`  ${style.bad('✗')} ${podsOf(group)}: class ${name},${age}${code === null ? '' : `: ${code}`}`)
    for (const text of wrap(message ?? '', width - 6)) line(`      ${text}`)
    line(`      ${style.command(`keymount doctor pod/${pod} -n ${namespace}`)}`)
  }
}

const namedPods = 3

function podsOf(group: readonly WaitingPod[]): string {
  const names = group.slice(0, namedPods).map(({ namespace, pod }) => `${namespace}/${pod}`)
  const others = group.length - names.length
  return `${names.join(', ')}${others === 0 ? '' : ` and ${countOf(others, 'other pod')}`}`
}

function printVolumes(cluster: ClusterStatus, { line, style, width, wrap }: Terminal): void {
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
    for (const text of wrap(failureText(failure.message), width - 6)) line(`      ${text}`)
  }
}

function ageOf(time: string): string {
  const seconds = Math.max(Math.round((Date.now() - Date.parse(time)) / 1000), 0)
  return `${formatDuration(seconds * 1000)} ago`
}
