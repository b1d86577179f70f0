/** terminal */
export { CliError, exitCodes } from './cli-error.ts'
export type { CliWorld } from './cli-world.ts'
export { printError } from './print-error.ts'
export { commandLine } from './shell-words.ts'
export { createTerminal, type Terminal } from './terminal.ts'
