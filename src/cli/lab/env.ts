import { chosenHome, labVariables, signInAz } from '#lab/home'
import { type CliWorld, exitCodes } from '#terminal'

export interface EnvCommand {
  /** `--home`. */
  home: string | undefined
  format: 'sh' | 'fish' | 'json'
  world: CliWorld
}

/** `keymount env`: prints the variables of a lab that is up, and leaves `az` signed in there. */
export async function env({ home: named, format, world }: EnvCommand): Promise<number> {
  const home = chosenHome(world, named)
  const variables = labVariables(home)
  signInAz(home)
  world.stdout.write(`${render(variables, format)}\n`)
  return exitCodes.ok
}

function render(variables: Readonly<Record<string, string>>, format: EnvCommand['format']): string {
  if (format === 'json') return JSON.stringify(variables, null, 2)
  const assign = format === 'fish' ? fishAssignment : shAssignment
  return Object.entries(variables).map(assign).join('\n')
}

function shAssignment([name, value]: [string, string]): string {
  return `export ${name}='${value.replaceAll("'", `'\\''`)}'`
}

function fishAssignment([name, value]: [string, string]): string {
  return `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
