/**
 * cli: the `keymount` command: its commands, options, output and exit status. What starts and stops a lab is `#lab/home`;
 * what talks to a cluster or to Azure is below it.
 */
export { daemonNames, runCli } from './program.ts'
