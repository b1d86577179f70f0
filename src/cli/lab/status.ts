import { chosenHome, type LabHome, type LabStatus, labStatus } from '#lab/home'
import { type CliWorld, countOf, createTerminal, exitCodes, type Terminal } from '#terminal'

export interface StatusCommand {
  /** `--home`. */
  home: string | undefined
  json: boolean
  world: CliWorld
}

/** `keymount status`. Exit status 0 if everything works, 3 if the lab is not up, 1 otherwise. */
export async function status({ home: named, json, world }: StatusCommand): Promise<number> {
  const terminal = createTerminal(world)
  const home = chosenHome(world, named)
  const found = await labStatus(home, world.env)
  if (json) terminal.line(JSON.stringify(found, null, 2))
  else print(found, home, terminal)
  return { up: exitCodes.ok, partly: exitCodes.failed, down: exitCodes.notUp }[found.state]
}

function print(found: LabStatus, { option }: LabHome, terminal: Terminal): void {
  const { line, style } = terminal
  const words = { up: style.good('up'), partly: style.bad('only partly up'), down: style.dim('down') }
  line(`Lab in ${found.home}: ${words[found.state]}`)
  if (found.problem !== null) line(`  ${found.problem}`)
  for (const { name, pid, address, cluster } of found.processes) {
    const mark = pid === null ? style.bad('✗') : style.good('✓')
    const managed = cluster === undefined ? '' : `, managed cluster ${cluster}`
    line(`  ${mark} ${name.padEnd(14)} ${pid === null ? 'not running' : `process ${pid}, ${address}`}${managed}`)
  }
  if (found.cluster !== null) printCluster(found.cluster, terminal)
  const advice = { up: undefined, partly: 'Repair it', down: 'Start it' }[found.state]
  if (advice !== undefined) line(`\n${advice}: ${style.command(`keymount up${option}`)}`)
}

function printCluster(
  { server, pods, registeredOn, volumes }: NonNullable<LabStatus['cluster']>,
  terminal: Terminal,
): void {
  const { line, style } = terminal
  line(`\nKeymount in ${server}, registered on ${registeredOn.join(', ') || 'no node'}`)
  for (const { name, node, phase, ready, restarts, problem } of pods) {
    const mark = ready ? style.good('✓') : style.bad('✗')
    const trouble = problem === undefined ? '' : `, ${problem}`
    line(`  ${mark} ${name} on ${node}: ${phase}, ${countOf(restarts, 'restart')}${trouble}`)
  }
  line(`\nMounted volumes: ${volumes.length}`)
  for (const { pod, class: name, objects } of volumes) line(`  ${pod}: class ${name}, ${countOf(objects, 'object')}`)
}
