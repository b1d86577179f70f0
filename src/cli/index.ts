/**
 * cli: the `keymount` command: brings a lab up and down, tells what runs, prints the variables that point other tools at it,
 * and shows the main job in one command. It starts the programs of the lab as processes and talks to them over their wires;
 * it imports none of them. `LabAzure` is what the end-to-end cases use too.
 */
export type { CliWorld } from './cli-world.ts'
export type { LabClusters } from './clusters/lab-clusters.ts'
export { loadLabClusters } from './clusters/load-lab-clusters.ts'
export * from './lab-azure.ts'
export { daemonNames, runCli } from './program.ts'
