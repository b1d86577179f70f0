/**
 * cli: the `keymount` command: its commands, options, output and exit status. Imported by `src/bin/cli.ts` alone. What
 * starts and stops a lab is `lab/home`; what talks to a cluster or to Azure is below it. To add a command, add a file to
 * `commands/`.
 */
export { runCli } from './program.ts'
