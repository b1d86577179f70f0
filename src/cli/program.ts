import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { chosenHome, defaultPorts, type UpOptions } from '#lab/home'
import { parseDuration } from '#lib/formats'
import type { CliWorld } from '#terminal'
import { createTerminal, exitCodes, printError } from '#terminal'
import { addPodIdentity } from './identity/detect/detect-command.ts'
import { addIdentity } from './identity/identity-commands.ts'

interface HomeOption {
  home?: string
}

interface JsonOption {
  json?: boolean
}

interface RotateOptions extends HomeOption, JsonOption {
  namespace?: string
  kubeconfig?: string
  timeout: string
}

/** Programs that `keymount NAME …` runs in the foreground; their flags are their own. */
export const daemonNames = [
  'driver',
  'provider',
  'node',
  'controller',
  'proxy',
  'proxy-init',
  'mic',
  'nmi',
  'local-azure',
  'local-cluster',
] as const

/** One run of the command line. Gives the exit status; prints every error itself. */
export async function runCli(world: CliWorld): Promise<number> {
  let exitCode: number = exitCodes.ok
  const finish = (code: number) => {
    exitCode = code
  }
  try {
    await createProgram(world, finish).parseAsync([...world.argv], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    const terminal = createTerminal(world)
    if (world.signal.aborted) {
      terminal.error('keymount: stopped')
      return exitCodes.interrupted
    }
    return printError(error, terminal)
  }
}

/** Each command is loaded when it runs: `--help` and `env` need not wait for what `up` needs. */
function createProgram(world: CliWorld, finish: (exitCode: number) => void): Command {
  const program = new Command(world.programName)
    .description(
      'Secrets, keys and certificates from Azure Key Vault in Kubernetes pods, always fresh: ' +
        'driver and provider, and a lab in which both run without Azure and without a cluster.',
    )
    .version(world.version, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    // What stands behind the name of a command is that command's, also where the one above has an option of that name.
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => void world.stderr.write(text),
    })
    .showHelpAfterError(`("${world.programName} --help" lists the commands and options)`)
    .addHelpText('after', footer(world))
  program.commandsGroup('The lab:')
  addUp(program, world, finish)
  addDown(program, world, finish)
  addStatus(program, world, finish)
  addEnv(program, world)
  addAzure(program, world, finish)
  addDemo(program, world, finish)
  program.commandsGroup('Any cluster with Keymount:')
  addRotate(program, world, finish)
  addIdentity(program, { world, finish })
  addPodIdentity(program, { world, finish })
  addCharts(program, world, finish)
  program.commandsGroup('Daemons, in the foreground:')
  addDaemons(program)
  return program
}

function footer({ programName }: CliWorld): string {
  return [
    '',
    'Exit status: 0 done, 1 failed, 2 wrong usage, 3 the lab is not up (status), 130 interrupted.',
    `The lab lives in ~/.keymount; --home DIR or KEYMOUNT_HOME choose another place. "${programName} demo" shows it all.`,
  ].join('\n')
}

function addUp(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  withHome(program.command('up'))
    .summary('start the lab, or a local Azure for your cluster')
    .description(
      'Starts a local Azure and a local cluster in the background and installs Keymount into the cluster. ' +
        'With --kubeconfig the cluster is yours (kind, k3s, AKS), and only the local Azure is started. ' +
        'Vaults, identities and cluster objects survive "down". Run on a lab that is up, it mends what has died.',
    )
    .optionsGroup('Ports:')
    .option('--port <port>', `API server of the local cluster (default: ${defaultPorts.cluster})`, parsePort)
    .option('--azure-port <port>', `HTTPS proxy of the local Azure (default: ${defaultPorts.azure})`, parsePort)
    .option(
      '--imds-port <port>',
      `managed identity endpoint of machines outside clusters (default: ${defaultPorts.imds})`,
      parsePort,
    )
    .addOption(new Option('--ports <which>', 'let the lab take free ports, and keep them').choices(['fixed', 'free']))
    .optionsGroup('Times, as Go writes them (30s, 2m):')
    .option('--rotation-poll-interval <time>', 'how often mounted values are looked up again (default: 2m)', parseTime)
    .option('--sync-frequency <time>', 'how often the local node looks at a pod again (default: 1m)', parseTime)
    .addOption(
      new Option(
        '--caching <which>',
        'off: every mount signs in and reads anew, so that changes show at once (default: on, as on any node)',
      ).choices(['on', 'off']),
    )
    .optionsGroup('Rights:')
    .option('--secret-sync', 'let the product keep Kubernetes Secrets too (secretObjects of a class), from now on')
    .optionsGroup('A real cluster:')
    .option('--kubeconfig <file>', 'use the cluster that this file names')
    .option('--listen <address>', 'address of this machine that pods reach (default: the one towards the nodes)')
    .option('--image <reference>', 'image of the product (default: the one that "npm run image" makes)')
    .option('--kubelet-root <directory>', 'root directory of the nodes’ kubelet (default: /var/lib/kubelet)')
    .addOption(new Option('--azure <which>', 'the lab’s Azure, or the public cloud').choices(['local', 'real']))
    .optionsGroup('Output:')
    .option('--json', 'print the result as JSON')
    .action(async ({ home, json, ...options }: HomeOption & JsonOption & UpOptions) => {
      const { up } = await import('./lab/up.ts')
      finish(await up({ home: chosenHome(world, home), options, json: json === true, world }))
    })
}

function addDown(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  withHome(program.command('down'))
    .summary('stop the lab; its state stays')
    .description(
      'Ends the pods, the local cluster and the local Azure, and takes down every mount. ' +
        'From a cluster of your own it removes Keymount, all but the CustomResourceDefinitions and so your classes.',
    )
    .option('--delete-state', 'delete vaults, identities and cluster objects too; does not ask')
    .option('--force', 'on a real cluster: also while pods have volumes mounted, which can then not be unmounted')
    .action(async ({ home, ...options }: HomeOption & { deleteState?: boolean; force?: boolean }) => {
      const { down } = await import('#lab/home')
      finish(await down({ home: chosenHome(world, home), options, world }))
    })
}

function addStatus(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  withHome(program.command('status'))
    .summary('show what runs')
    .description('Shows the processes and ports of the lab, the product’s pods and the mounted volumes.')
    .option('--json', 'print it as JSON')
    .action(async ({ home, json }: HomeOption & JsonOption) => {
      const { status } = await import('#lab/home')
      finish(await status({ home: chosenHome(world, home), json: json === true, world }))
    })
}

function addEnv(program: Command, world: CliWorld): void {
  withHome(program.command('env'))
    .summary('print the variables that point kubectl, az and the SDKs at the lab')
    .description(
      `Prints the variables that point kubectl, az and the SDKs at the lab, and leaves az signed in as its administrator:\n` +
        `  eval "$(${world.programName} env)"                   sh, bash, zsh\n` +
        `  ${world.programName} env --shell fish | source       fish`,
    )
    .addOption(new Option('--shell <which>', 'for whom').choices(['sh', 'fish']).default('sh'))
    .option('--json', 'print an object instead')
    .action(async ({ home, shell, json }: HomeOption & JsonOption & { shell: 'sh' | 'fish' }) => {
      const { env } = await import('#lab/home')
      env({ home: chosenHome(world, home), format: json === true ? 'json' : shell, world })
    })
}

function addAzure(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  const azure = program.command('azure').summary('break the local Azure on purpose')
  withHome(azure.command('throttle'))
    .summary('make a vault answer 429 to everything')
    .description(
      'Makes a vault of the lab answer every request with 429 and Retry-After, as Key Vault does when it gets too many. ' +
        'Ends after --for, with --off, or when the lab goes down.',
    )
    .argument('<vault>', 'its name or URL')
    .option('--for <time>', 'how long, as Go writes it (default: until --off)', parseTime)
    .option('--retry-after <seconds>', 'what Retry-After says', parseSeconds, 1)
    .option('--off', 'let it answer again')
    .action(async (vault: string, options: HomeOption & { for?: string; retryAfter: number; off?: boolean }) => {
      const { azureThrottle } = await import('./lab/azure-faults.ts')
      const { home, retryAfter: retryAfterSeconds, off = false } = options
      const forMs = options.for === undefined ? undefined : parseDuration(options.for)
      finish(await azureThrottle({ home: chosenHome(world, home), vault, forMs, retryAfterSeconds, off, world }))
    })
  withHome(azure.command('faults'))
    .summary('show which hosts are broken on purpose')
    .option('--json', 'print it as JSON')
    .action(async ({ home, json }: HomeOption & JsonOption) => {
      const { azureFaults } = await import('./lab/azure-faults.ts')
      finish(await azureFaults({ home: chosenHome(world, home), json: json === true, world }))
    })
}

function addDemo(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  program
    .command('demo')
    .summary('show the main job, start to end, in a lab of its own')
    .description(
      'A secret reaches a pod by workload identity, follows the vault, and fails with a clear error when the federated ' +
        'credential is wrong. Each step is checked; the lab is a temporary one and leaves nothing behind.',
    )
    .option('--keep', 'leave the lab up at the end, or after a failure, and say where')
    .action(async (options: { keep?: boolean }) => {
      const { demo } = await import('./demo/demo.ts')
      finish(await demo({ keep: options.keep === true, world }))
    })
}

function addRotate(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  withHome(program.command('rotate'))
    .summary('look the values of a class up now, in every pod that has it mounted')
    .description(
      'Makes every mounted volume of a SecretProviderClass look its values up now instead of at its next interval, waits, ' +
        'and tells for each pod what came of it. The cluster is that of --kubeconfig, of KUBECONFIG, or of the lab.',
    )
    .argument('<class>', 'name of the SecretProviderClass')
    .option('-n, --namespace <namespace>', 'of the class (default: that of the kubeconfig’s context)')
    .option('--kubeconfig <file>', 'the cluster')
    .option('--timeout <time>', 'how long to wait for the pods, as Go writes it', parseTime, '2m')
    .option('--json', 'print the result as JSON')
    .action(async (className: string, options: RotateOptions) => {
      const { rotate } = await import('./rotate/rotate.ts')
      const { home, namespace, kubeconfig, timeout, json } = options
      const timeoutMs = parseDuration(timeout) ?? 0
      const command = {
        home: chosenHome(world, home),
        className,
        namespace,
        kubeconfig,
        timeoutMs,
        json: json === true,
      }
      finish(await rotate({ ...command, world }))
    })
}

function addCharts(program: Command, world: CliWorld, finish: (exitCode: number) => void): void {
  const charts = program
    .command('charts')
    .summary('the Helm charts, also under the names of upstream’s')
    .description(
      'The Helm charts of this package: keymount, and the same under the names, values and selectors of the upstream charts, ' +
        'so that "helm upgrade" takes a release of theirs over (docs/migrate.md).',
    )
  charts
    .command('serve')
    .summary('serve them as a Helm repository on loopback, until stopped')
    .addOption(new Option('--port <port>', '0 takes a free one').argParser(parsePort).default(18_888))
    .action(async ({ port }: { port: number }) => {
      const { serveCharts } = await import('./charts/charts.ts')
      finish(await serveCharts({ port, world }))
    })
  charts
    .command('package')
    .summary('write them as packages (.tgz)')
    .option('-d, --destination <directory>', 'where to', '.')
    .action(async ({ destination }: { destination: string }) => {
      const { writeCharts } = await import('./charts/charts.ts')
      finish(await writeCharts({ destination, world }))
    })
}

/** Here for `--help` and for suggestions; `src/bin/cli.ts` runs them before this program sees the arguments. */
function addDaemons(program: Command): void {
  const summaries: Record<(typeof daemonNames)[number], string> = {
    driver: 'the CSI driver of a node',
    provider: 'the Azure provider of a node',
    node: 'driver and provider of a node in one process',
    controller: 'the workload identity webhook',
    proxy: 'a pod’s sidecar in place of IMDS',
    'proxy-init': 'its init step',
    mic: 'the controller of pod identity',
    nmi: 'the node endpoint of pod identity',
    'local-azure': 'Entra, Resource Manager, Graph and Key Vault of the lab',
    'local-cluster': 'API server and node of the lab',
  }
  for (const name of daemonNames) program.command(name).summary(summaries[name]).helpOption(false)
}

function withHome(command: Command): Command {
  return command.option('--home <directory>', 'state directory of the lab (default: $KEYMOUNT_HOME, ~/.keymount)')
}

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new InvalidArgumentError('Expected a port from 0 (any free one) to 65535.')
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (/^\d+$/.test(text) && seconds <= 3600) return seconds
  throw new InvalidArgumentError('Expected whole seconds from 0 to 3600.')
}

function parseTime(text: string): string {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return text
  throw new InvalidArgumentError('Expected a duration such as 30s or 2m.')
}
