import { type Command, Option } from 'commander'
import {
  type CommandsContext,
  homeOf,
  refuseSecretOnCommandLine,
  type SignInOptions,
  splitNames,
  withCluster,
  withSignIn,
} from '../command-options.ts'
import { createPhases } from './create-phases.ts'
import { deletePhases } from './delete-phases.ts'
import { type PhaseFlag, type PhaseOptions, phaseFlags } from './options.ts'
import type { Phase } from './phase.ts'
import { phasesHelp } from './run-phases.ts'

interface ServiceAccountOptions extends SignInOptions, PhaseOptions {
  skipPhases?: string[]
  dryRun?: boolean
}

type Verb = 'create' | 'delete'

const phasesOf = { create: createPhases, delete: deletePhases }

/** `keymount identity serviceaccount create|delete [phase NAME]`. */
export function addServiceAccount(parent: Command, context: CommandsContext): void {
  const command = parent
    .command('serviceaccount')
    .alias('sa')
    .summary('create or delete a workload identity, in phases')
    .description('Creates or deletes a workload identity: in Azure, in the cluster, and what joins the two.')
  for (const verb of ['create', 'delete'] as const) addVerb(command, verb, context)
}

function addVerb(parent: Command, verb: Verb, context: CommandsContext): void {
  const { world } = context
  // Both kinds of identity are shown; which one is active, --identity-type says.
  const phases = allPhases(verb)
  const command = parent
    .command(verb)
    .summary(`${verb} a workload identity`)
    .description(
      `${verb === 'create' ? 'Creates' : 'Deletes'} a workload identity, phase by phase. All options are checked before the ` +
        'first phase begins. It can be run again: what is done already is left as it is.',
    )
    .addHelpText('after', `\n${phasesHelp(phases)}`)
    .optionsGroup('What:')
  addPhaseOptions(command, [...new Set(phases.flatMap(({ flags }) => flags))])
  command.addOption(
    new Option('--skip-phases <names>', 'phases to leave out, repeatable or with commas').argParser(splitNames),
  )
  addCommonOptions(command).action((options: ServiceAccountOptions) => run(verb, undefined, options, context))

  const phase = command
    .command('phase')
    .summary('run one phase alone')
    .description(
      `Runs one phase of ${world.programName} identity serviceaccount ${verb}, with the options that it needs.`,
    )
  for (const one of phases) addPhase(phase, verb, one, context)
}

function addPhase(
  parent: Command,
  verb: Verb,
  { name, alias, description, flags }: Phase,
  context: CommandsContext,
): void {
  const command = parent
    .command(name)
    .alias(alias)
    .summary(description)
    .description(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`)
    .optionsGroup('What:')
  addPhaseOptions(command, flags)
  addCommonOptions(command).action((options: ServiceAccountOptions) => run(verb, name, options, context))
}

/** The phases of both kinds of identity, each once, in their order. */
function allPhases(verb: Verb): Phase[] {
  const kinds = (['application', 'managed-identity'] as const).map((identityType) => phasesOf[verb]({ identityType }))
  const [first = [], second = []] = kinds
  const extra = second.filter(({ name }) => !first.some((phase) => phase.name === name))
  const after = first.findIndex(({ name }) => name === 'aad-application') + 1
  return first.toSpliced(after, 0, ...extra)
}

function addPhaseOptions(command: Command, flags: readonly PhaseFlag[]): void {
  for (const name of flags) {
    const row: { flag: string; description: string; default?: string } = phaseFlags[name]
    if (row.default === undefined) command.option(row.flag, row.description)
    else command.option(row.flag, row.description, row.default)
  }
}

function addCommonOptions(command: Command): Command {
  command.option('--dry-run', 'print the az and kubectl commands that do the same, and do nothing')
  return withCluster(withSignIn(command))
}

async function run(verb: Verb, phase: string | undefined, options: ServiceAccountOptions, context: CommandsContext) {
  refuseSecretOnCommandLine(options)
  const { serviceAccount } = await import('./serviceaccount.ts')
  const { skipPhases = [], dryRun = false, kubeconfig } = options
  const identityType = phase === 'managed-identity' ? phase : options.identityType
  const code = await serviceAccount({
    verb,
    options: { ...pickPhaseOptions(options), ...(identityType === undefined ? {} : { identityType }) },
    azureFlags: options,
    ...(phase === undefined ? {} : { phase }),
    skipPhases,
    dryRun,
    kubeconfig,
    home: homeOf(context, options),
    world: context.world,
  })
  context.finish(code)
}

function pickPhaseOptions(options: ServiceAccountOptions): PhaseOptions {
  const names = Object.keys(phaseFlags) as PhaseFlag[]
  return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
}
