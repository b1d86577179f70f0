import { execFile } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { azMissing, findAz } from '../support/az.ts'
import { findKubectl, kubectlMissing } from '../support/kubectl.ts'
import { cliCommand, cliEnvironment, runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startIdentityLab } from './identity-lab.ts'

const [az, kubectl] = [findAz(), findKubectl()]

/** Why tests with az and kubectl are skipped, when they are. */
export const labWithAzSkip = az === undefined ? azMissing : kubectl === undefined ? kubectlMissing : false

/** The lab for who has done `eval "$(keymount env)"` and nothing else: az is signed in by that. */
export async function startLabWithAz(t: TestContext, ...upFlags: string[]) {
  const lab = await startIdentityLab(t, ...upFlags)
  const programs = temporaryDirectory(t)
  symlinkSync(az ?? '', join(programs, 'az'))
  symlinkSync(kubectl ?? '', join(programs, 'kubectl'))
  const keymount = `#!/bin/sh\nexec ${cliCommand.join(' ')} "$@"\n`
  writeFileSync(join(programs, 'keymount'), keymount, { mode: 0o755 })
  const { AZURE_CLIENT_SECRET: _, AZURE_CLIENT_ID: __, AZURE_SUBSCRIPTION_ID: ___, ...variables } = lab.env
  const env = {
    ...variables,
    PATH: `${programs}:${process.env.PATH ?? ''}`,
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    // A command that opens an editor fails, and does not wait for a person.
    EDITOR: 'false',
    AZURE_CORE_ONLY_SHOW_ERRORS: 'yes',
  }
  const shell = (script: string) =>
    new Promise<{ code: number; output: string }>((done) => {
      execFile('/bin/sh', ['-c', script], { env: { ...cliEnvironment(), ...env } }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
      })
    })
  // `administrator` signs in by a secret instead.
  return {
    ...lab,
    shell,
    administrator: lab,
    keymount: (...words: string[]) => runCli(words, env),
    identity: (...words: string[]) => runCli(['identity', ...words], env),
  }
}
