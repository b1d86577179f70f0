/**
 * cli: the `keymount` command: brings a lab up and down, tells what runs, prints the variables that point other tools at it,
 * and shows the main job in one command. It starts the programs of the lab as processes and talks to them over their wires;
 * it imports none of them. `AzureRest` is the small client that the end-to-end cases use too.
 */
export * from './azure-rest.ts'
export type { CliWorld } from './cli-world.ts'
export { daemonNames, runCli } from './program.ts'
