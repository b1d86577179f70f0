/**
 * terminal: what the command line and the lab's home print: lines and steps, colours and widths, errors with what, why and
 * how to fix, and shell words that can be pasted. Imported by `cli` and `lab/home`.
 */
export { CliError, type CliErrorCode, exitCodes } from './cli-error.ts'
export type { CliWorld } from './cli-world.ts'
export { countOf } from './count-of.ts'
export { type Output, widthOf } from './output.ts'
export { oneLine } from './printable.ts'
export { commandLine } from './shell-words.ts'
export { shortList } from './short-list.ts'
export { createTerminal, type Terminal } from './terminal.ts'
