import type { LabHome, LocalAzure, UpOptions } from '#lab/home'
import { bringUp, type Lab } from '#lab/home'
import type { CliWorld } from '#terminal'
import { createTerminal, exitCodes, type Terminal } from '#terminal'

export interface UpCommand {
  home: LabHome
  options: UpOptions
  json: boolean
  world: CliWorld
}

export async function up({ home, options, json, world }: UpCommand): Promise<number> {
  const terminal = createTerminal(world)
  const startedAt = performance.now()
  const lab = await bringUp({ home, world, terminal }, options)
  const seconds = (performance.now() - startedAt) / 1000
  if (json) terminal.line(JSON.stringify(summary(lab, seconds), null, 2))
  else printLab(lab, { seconds, terminal, world })
  return exitCodes.ok
}

function summary({ home, state, cluster, azure, started, product }: Lab, seconds: number) {
  return {
    home: home.root,
    target: state.target.kind,
    started,
    seconds: Number(seconds.toFixed(3)),
    kubeconfig: cluster.kubeconfig,
    server: cluster.server,
    issuer: cluster.issuer,
    kubeletRoot: cluster.kubeletRoot,
    azure:
      azure === undefined
        ? null
        : {
            proxy: azure.proxy,
            imds: azure.imds,
            ca: azure.ca,
            caBundle: home.caBundle,
            credentials: azure.credentials,
            control: azure.control,
          },
    pods: product.pods,
  }
}

function printLab(
  { home, started, azure }: Lab,
  { seconds, terminal, world }: { seconds: number; terminal: Terminal; world: CliWorld },
): void {
  const { line, style } = terminal
  const done = started.length === 0 && azure !== undefined ? 'It was up already' : 'The lab is up'
  line()
  line(`${style.good(done)} ${style.dim(`(${seconds.toFixed(2)} s, state in ${home.root})`)}`)
  line()
  for (const [command, purpose] of nextCommands({ home, world, azure })) {
    line(`  ${style.command(command)}${style.dim(`  # ${purpose}`)}`)
  }
}

/** What to type next, aligned; with --home where the shell does not say it already. */
function nextCommands({
  home,
  world,
  azure,
}: {
  home: LabHome
  world: CliWorld
  azure: LocalAzure | undefined
}): [string, string][] {
  const { programName, env, userHome } = world
  const usual = env.KEYMOUNT_HOME || `${userHome}/.keymount`
  const flag = home.root === usual ? '' : ` --home ${home.root}`
  const commands: [string, string][] = [
    [`eval "$(${programName} env${flag})"`, 'points kubectl, az and the SDKs of this shell at the lab'],
    [`kubectl get pods --all-namespaces`, 'the cluster'],
    ...(azure === undefined
      ? []
      : [['az account show', 'signed in already, as owner of the subscription'] as [string, string]]),
    [`${programName} status${flag}`, 'what runs'],
    [`${programName} down${flag}`, 'stops it; vaults and objects stay'],
  ]
  const width = Math.max(...commands.map(([command]) => command.length).filter((length) => length < 60))
  return commands.map(([command, purpose]) => [command.padEnd(width), purpose])
}
