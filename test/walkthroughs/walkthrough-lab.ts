import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryHome, type UpSummary } from '../lab/home/lab-in-temporary-home.ts'
import { azMissing, findAz } from '../support/az.ts'
import { findProgram } from '../support/find-program.ts'
import { findKubectl, kubectlMissing } from '../support/kubectl.ts'
import { mayMount } from '../support/may-mount.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { type ShellSession, startShell } from './shell-session.ts'

/** A shell in its own directory, and whether pods of its clusters have networks of their own. */
export interface Terminal {
  shell: ShellSession
  directory: string
  podNetwork: boolean
}

/** A running lab, with the output of `keymount env`. */
export interface WalkthroughLab {
  summary: UpSummary
  /** A terminal of its own with the lab's variables, in an empty home directory. Ends with the test. */
  terminal(t: TestContext): Promise<Terminal>
}

const programs = { az: findAz(), kubectl: findKubectl(), helm: findProgram('helm', 'KEYMOUNT_HELM') }

/** Why walk-throughs cannot be followed on this machine, if so. */
export function reasonToSkipWalkthroughs(): string | undefined {
  if (programs.az === undefined) return azMissing
  if (programs.kubectl === undefined) return kubectlMissing
  if (programs.helm === undefined) return 'helm is not installed: put one on the PATH or name it in KEYMOUNT_HELM'
  if (!mayMount()) return 'needs the right to mount (root, or a user namespace: npm test makes one)'
  return undefined
}

/** Starts a lab of its own, as a reader would before the first command; all of it goes with the test. */
export async function walkthroughLab(t: TestContext, ...flags: string[]): Promise<WalkthroughLab> {
  const home = await temporaryHome(t)
  const summary = await home.up(...flags)
  return {
    summary,
    async terminal(inner) {
      const { code, stdout, stderr } = await home.keymount('env', '--json')
      if (code !== 0) throw new Error(`keymount env ended with ${code}: ${stderr}`)
      const directory = temporaryDirectory(inner, 'walkthrough-')
      const shell = startShell(directory, {
        ...(JSON.parse(stdout) as Record<string, string>),
        PATH: [...new Set(Object.values(programs).map((path) => dirname(path ?? '')))].concat(systemPath).join(':'),
        HOME: directory,
        LANG: 'C.UTF-8',
        AZURE_CORE_ONLY_SHOW_ERRORS: 'yes',
        AZURE_CORE_COLLECT_TELEMETRY: 'no',
        AZURE_CORE_NO_COLOR: 'yes',
      })
      inner.after(() => shell.stop())
      return { shell, directory, podNetwork: flags.includes('--kubeconfig') || flags.includes('--pod-network') }
    },
  }
}

const systemPath = (process.env.PATH ?? '/usr/bin:/bin').split(':')
