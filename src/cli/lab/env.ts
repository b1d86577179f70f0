import { chosenHome, labVariables, restoredVariables, signInAz } from '#lab/home'
import { type CliWorld, exitCodes } from '#terminal'

export interface EnvCommand {
  /** `--home`. */
  home: string | undefined
  format: 'sh' | 'fish' | 'json'
  /** `--unset`. */
  unset: boolean
  /** `--admin`. */
  admin: boolean
  world: CliWorld
}

/** `keymount env`: prints the variables of a lab that is up, and leaves `az` signed in there. */
export async function env({ home: named, format, unset, admin, world }: EnvCommand): Promise<number> {
  if (unset) {
    world.stdout.write(`${render(restoredVariables(world.env), format)}\n`)
    return exitCodes.ok
  }
  const home = chosenHome(world, named)
  const variables = labVariables({ home, env: world.env, admin })
  signInAz(home)
  world.stdout.write(`${render(variables, format)}\n`)
  return exitCodes.ok
}

function render(variables: Readonly<Record<string, string | undefined>>, format: EnvCommand['format']): string {
  if (format === 'json') return JSON.stringify(variables, (_, value) => value ?? null, 2)
  const assign = format === 'fish' ? fishAssignment : shAssignment
  return Object.entries(variables).map(assign).join('\n')
}

function shAssignment([name, value]: [string, string | undefined]): string {
  if (value === undefined) return `unset ${name}`
  return `export ${name}='${value.replaceAll("'", `'\\''`)}'`
}

function fishAssignment([name, value]: [string, string | undefined]): string {
  if (value === undefined) return `set -e ${name}`
  return `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
