import { bringUp, chosenHome, type Lab, type LabHome, type LocalAzure, type UpOptions } from '#lab/home'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'
import { exampleNames } from '../example/example.ts'
import { setUpEvents } from './events-in-lab.ts'
import { exampleVault, hasExample, setUpExample } from './example-in-lab.ts'

export interface UpCommand {
  /** `--home`. */
  home: string | undefined
  options: UpOptions
  /** Set up examples/workload-identity as well. */
  example: boolean
  /** Set up events of the vaults that there are. */
  events: boolean
  json: boolean
  world: CliWorld
}

/** `keymount up`: starts the lab and prints what to do next. */
export async function up({ home, options, example, events, json, world }: UpCommand): Promise<number> {
  const terminal = createTerminal(world)
  const startedAt = performance.now()
  const lab = await bringUp({ home: chosenHome(world, home), world, terminal }, options)
  if (example) await showExample(lab, world, terminal)
  if (events) await showEvents(lab, world, terminal)
  const seconds = (performance.now() - startedAt) / 1000
  if (json) terminal.line(JSON.stringify(summary(lab, seconds), null, 2))
  else printLab(lab, seconds, example || (await hasExample(lab)), terminal)
  return exitCodes.ok
}

async function showExample(lab: Lab, { packageRoot }: CliWorld, { step }: Terminal): Promise<void> {
  const { azure } = lab
  if (azure === undefined) {
    throw new CliError({
      what: '--example cannot be used here',
      why: 'it makes a vault in the local Azure, and this lab uses the public cloud',
      code: 'usage',
    })
  }
  await step(
    'Example',
    () => setUpExample(lab, azure, packageRoot),
    (text) => text,
  )
}

async function showEvents(lab: Lab, { packageRoot, signal }: CliWorld, { step }: Terminal): Promise<void> {
  const { azure } = lab
  if (azure === undefined) {
    throw new CliError({
      what: '--events cannot be used here',
      why: 'it makes a queue in the local Azure, and this lab uses the public cloud',
      fix: ['print what the public cloud needs: keymount events setup'],
      code: 'usage',
    })
  }
  await step(
    'Events',
    () => setUpEvents(lab, azure, { packageRoot, signal }),
    (text) => text,
  )
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

function printLab({ home, started, azure }: Lab, seconds: number, example: boolean, { line, style }: Terminal): void {
  const done = started.length === 0 && azure !== undefined ? 'The lab was up already' : 'The lab is up'
  line()
  line(`${style.good(done)} ${style.dim(`(${seconds.toFixed(2)} s, state in ${home.root})`)}`)
  line()
  for (const [command, purpose] of nextCommands(home, azure, example)) {
    line(`  ${style.dim(`# ${purpose}`)}`)
    line(`  ${style.command(command)}`)
  }
}

/** What to type next. */
function nextCommands({ option }: LabHome, azure: LocalAzure | undefined, example: boolean): [string, string][] {
  const { pod, file, secret } = exampleNames
  const ofExample: [string, string][] = [
    [
      `kubectl wait --for=condition=Ready pod/${pod} && kubectl exec ${pod} -- cat ${file}`,
      'read the secret in the pod',
    ],
    [
      `az keyvault secret set --vault-name ${exampleVault} --name ${secret} --value 'a new value'`,
      'change it; the file follows, with "keymount rotate" at once',
    ],
  ]
  const first: [string, string] = [`keymount up --example${option}`, 'mount a first secret in a pod']
  return [
    [`eval "$(keymount env${option})"`, 'point kubectl, az and the SDKs of this shell at the lab'],
    ...(example ? ofExample : azure === undefined ? [] : [first]),
    ['kubectl get pods --all-namespaces', 'see the cluster'],
    ...(azure === undefined || example
      ? []
      : [['az account show', 'az is signed in as owner of the subscription'] satisfies [string, string]]),
    [`keymount status${option}`, 'see what is running'],
    [`keymount down${option}`, 'stop it; vaults and cluster objects are kept'],
  ]
}
