import { bringUp, chosenHome, type Lab, type LabHome, type LocalAzure, type UpOptions } from '#lab/home'
import { type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'

export interface UpCommand {
  /** `--home`. */
  home: string | undefined
  options: UpOptions
  json: boolean
  world: CliWorld
}

/** `keymount up`: starts the lab and prints what to do next. */
export async function up({ home, options, json, world }: UpCommand): Promise<number> {
  const terminal = createTerminal(world)
  const startedAt = performance.now()
  const lab = await bringUp({ home: chosenHome(world, home), world, terminal }, options)
  const seconds = (performance.now() - startedAt) / 1000
  if (json) terminal.line(JSON.stringify(summary(lab, seconds), null, 2))
  else printLab(lab, seconds, terminal)
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

function printLab({ home, started, azure }: Lab, seconds: number, { line, style }: Terminal): void {
  const done = started.length === 0 && azure !== undefined ? 'The lab was up already' : 'The lab is up'
  line()
  line(`${style.good(done)} ${style.dim(`(${seconds.toFixed(2)} s, state in ${home.root})`)}`)
  line()
  for (const [command, purpose] of nextCommands(home, azure)) {
    line(`  ${style.dim(`# ${purpose}`)}`)
    line(`  ${style.command(command)}`)
  }
}

/** What to type next. */
function nextCommands({ option }: LabHome, azure: LocalAzure | undefined): [string, string][] {
  return [
    [`eval "$(keymount env${option})"`, 'point kubectl, az and the SDKs of this shell at the lab'],
    ['kubectl get pods --all-namespaces', 'see the cluster'],
    ...(azure === undefined ? [] : [['az account show', 'az is signed in as owner of the subscription'] as const]),
    [`keymount status${option}`, 'see what is running'],
    [`keymount down${option}`, 'stop it; vaults and cluster objects are kept'],
  ].map(([command = '', purpose = '']) => [command, purpose])
}
