import { type Command, InvalidArgumentError, Option } from 'commander'

/** Options that several commands have, each spelled and described in one way. */

export interface HomeOption {
  home?: string | undefined
}

export interface OutputOption {
  output?: 'json' | undefined
  json?: boolean | undefined
}

export interface ClusterOption extends HomeOption {
  kubeconfig?: string | undefined
}

/** Which lab. */
export function addHome(command: Command): Command {
  return command.addOption(
    new Option('--home <directory>', 'state directory of the lab (default: $KEYMOUNT_HOME or ~/.keymount)').argParser(
      parseDirectory,
    ),
  )
}

/** A result for programs. */
export function addOutput(command: Command): Command {
  return command
    .addOption(new Option('-o, --output <format>', 'print the result in this format').choices(['json']))
    .option('--json', 'the same as --output json')
}

export function wantsJson({ output, json }: OutputOption): boolean {
  return output === 'json' || json === true
}

/** Which cluster: of any kind, or the lab's. */
export function addCluster(command: Command): Command {
  return command
    .optionsGroup('Cluster:')
    .option('--kubeconfig <file>', 'the cluster (default: KUBECONFIG, or the cluster of the lab)')
    .addOption(new Option('--home <directory>').argParser(parseDirectory).hideHelp())
}

/** An option that takes a Go duration. What was given is checked before the command runs. */
export class TimeOption extends Option {
  constructor(flags: string, description: string) {
    super(flags, description)
  }
}

/** An option without which the command does not run. All that are missing are reported together. */
export class RequiredOption extends Option {
  constructor(flags: string, description: string) {
    super(flags, `${description} (required)`)
  }
}

/** An empty text is the value of a shell variable that is not set, and would be the working directory. */
export function parseDirectory(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('Expected the path of a directory.')
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new InvalidArgumentError('Expected a port from 0 (any free one) to 65535.')
}

export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (/^\d{1,4}$/.test(text) && seconds <= 3600) return seconds
  throw new InvalidArgumentError('Expected whole seconds from 0 to 3600.')
}

/** Reads an option that may be repeated and may have several names, separated by commas. */
export function splitNames(text: string, before: string[] = []): string[] {
  const names = text.split(',').map((name) => name.trim())
  return [...before, ...names.filter((name) => name !== '')]
}
