import { type Command, Option } from 'commander'
import { type CommandDefinition, defineCommand, type Invocation } from '../../command.ts'
import { addCluster, splitNames } from '../../options.ts'
import { refuseSecretOnCommandLine } from '../refuse-secret.ts'
import { addSignIn, type SignInOptions } from '../sign-in-options.ts'
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
export const serviceAccountCommand: CommandDefinition = {
  name: 'serviceaccount',
  aliases: ['sa'],
  summary: 'create or delete a workload identity, in phases',
  description: 'Creates or deletes a workload identity: in Azure, in the cluster, and what connects the two.',
  subcommands: async () => [verbCommand('create'), verbCommand('delete')],
}

function verbCommand(verb: Verb): CommandDefinition {
  // The help shows the phases of both kinds of identity; --identity-type selects one.
  const phases = allPhases(verb)
  return defineCommand<ServiceAccountOptions>({
    name: verb,
    summary: `${verb} a workload identity`,
    description:
      `${verb === 'create' ? 'Creates' : 'Deletes'} a workload identity, phase by phase. All options are checked before ` +
      'the first phase starts. It can be repeated: what is done already is left as it is.',
    notes: phasesHelp(phases),
    options(command) {
      addPhaseOptions(command.optionsGroup('What:'), [...new Set(phases.flatMap(({ flags }) => flags))])
      command.addOption(
        new Option('--skip-phases <names>', 'phases to skip; repeatable, or separated by commas').argParser(splitNames),
      )
      addCommonOptions(command)
    },
    subcommands: async () => [phaseCommand(verb, phases)],
    run: (invocation) => run(verb, undefined, invocation),
  })
}

/** The phases of both kinds of identity, each once, in their order. */
function allPhases(verb: Verb): Phase[] {
  const kinds = (['application', 'managed-identity'] as const).map((identityType) => phasesOf[verb]({ identityType }))
  const [first = [], second = []] = kinds
  const extra = second.filter(({ name }) => !first.some((phase) => phase.name === name))
  const after = first.findIndex(({ name }) => name === 'aad-application') + 1
  return first.toSpliced(after, 0, ...extra)
}

function phaseCommand(verb: Verb, phases: readonly Phase[]): CommandDefinition {
  return {
    name: 'phase',
    summary: 'run one phase alone',
    description: (programName) =>
      `Runs one phase of "${programName} identity serviceaccount ${verb}", with the options that it needs.`,
    subcommands: async () =>
      phases.map(({ name, alias, description, flags }) =>
        defineCommand<ServiceAccountOptions>({
          name,
          aliases: [alias],
          summary: description,
          options(command) {
            addPhaseOptions(command.optionsGroup('What:'), flags)
            addCommonOptions(command)
          },
          run: (invocation) => run(verb, name, invocation),
        }),
      ),
  }
}

function addPhaseOptions(command: Command, flags: readonly PhaseFlag[]): void {
  for (const name of flags) {
    const row: { flag: string; description: string; default?: string } = phaseFlags[name]
    if (row.default === undefined) command.option(row.flag, row.description)
    else command.option(row.flag, row.description, row.default)
  }
}

function addCommonOptions(command: Command): void {
  command.option('--dry-run', 'print the az and kubectl commands that do the same, and do nothing')
  addCluster(addSignIn(command))
}

async function run(verb: Verb, phase: string | undefined, { options, world }: Invocation<ServiceAccountOptions>) {
  refuseSecretOnCommandLine(options)
  const { serviceAccount } = await import('./serviceaccount.ts')
  const { skipPhases = [], dryRun = false, kubeconfig, home } = options
  const identityType = phase === 'managed-identity' ? phase : options.identityType
  return serviceAccount({
    verb,
    options: { ...pickPhaseOptions(options), identityType },
    azureFlags: options,
    phase,
    skipPhases,
    dryRun,
    cluster: { kubeconfig, home },
    world,
  })
}

function pickPhaseOptions(options: ServiceAccountOptions): PhaseOptions {
  const names = Object.keys(phaseFlags) as PhaseFlag[]
  return Object.fromEntries(names.map((name) => [name, options[name]]))
}
