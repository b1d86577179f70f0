import { chosenHome, type LabHome, type LabStatus, labStatus } from '#lab/home'
import { formatDuration, wrapText } from '#lib/formats'
import { type CliWorld, countOf, createTerminal, exitCodes, type Terminal } from '#terminal'
import { failureText } from '../cluster/failure-text.ts'

export interface StatusCommand {
  /** `--home`. */
  home: string | undefined
  json: boolean
  world: CliWorld
}

type ClusterStatus = NonNullable<LabStatus['cluster']>

/** `keymount status`. Exit status 0 if everything works, 3 if the lab is not up, 1 otherwise. */
export async function status({ home: named, json, world }: StatusCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const home = chosenHome(world, named)
  const found = await terminal.wait('asking the cluster', () => labStatus(home, world.env))
  if (json) terminal.line(JSON.stringify(found, null, 2))
  else print(found, home, terminal)
  if (found.state === 'up' && hasTrouble(found.cluster)) return exitCodes.failed
  return { up: exitCodes.ok, partly: exitCodes.failed, down: exitCodes.notUp }[found.state]
}

function failingVolumes(cluster: ClusterStatus | null) {
  return cluster?.volumes.filter(({ failure }) => failure !== null) ?? []
}

function hasTrouble(cluster: ClusterStatus | null): boolean {
  return cluster?.volumes.some(({ failure, staleSince }) => failure !== null || staleSince !== null) ?? false
}

function print(found: LabStatus, { option }: LabHome, terminal: Terminal): void {
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
