import type { TestContext } from 'node:test'
import { type CliResult, runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** What `keymount up --json` prints, as far as these tests read it. */
export interface UpSummary {
  started: string[]
  kubeconfig: string
  server: string
  issuer: string
  azure: { proxy: string; imds: string; credentials: string; ca: string }
  pods: { app: string; ready: boolean }[]
}

/** What `keymount status --json` prints, as far as these tests read it. */
export interface StatusSummary {
  state: 'up' | 'partly' | 'down'
  processes: { name: string; pid: number | null; address: string | null; cluster?: string; network?: string }[]
}

export interface TemporaryHome {
  path: string
  /** Runs `keymount` with KEYMOUNT_HOME set to this home. */
  keymount(...args: string[]): Promise<CliResult>
  /** The same with more variables. */
  keymountWith(env: Record<string, string>, ...args: string[]): Promise<CliResult>
  /** `up` on free ports; throws when it fails. */
  up(...args: string[]): Promise<UpSummary>
  status(): Promise<StatusSummary>
}

/** A home for one test; what is running in it is stopped and deleted at the end. */
export async function temporaryHome(t: TestContext): Promise<TemporaryHome> {
  // Short, because the path of a socket below it may have 107 bytes.
  const path = temporaryDirectory(t, 'h-')
  const keymountWith = (env: Record<string, string>, ...args: string[]) => runCli(args, { ...env, KEYMOUNT_HOME: path })
  const keymount = (...args: string[]) => keymountWith({}, ...args)
  t.after(async () => void (await keymount('down', '--delete-state', '--force')))
  return {
    path,
    keymount,
    keymountWith,
    async up(...args) {
      const { code, stdout, stderr } = await keymount('up', '--json', '--ports', 'free', ...args)
      if (code !== 0) throw new Error(`keymount up ended with ${code}:\n${stderr}`)
      return JSON.parse(stdout) as UpSummary
    },
    async status() {
      const { stdout } = await keymount('status', '--json')
      return JSON.parse(stdout) as StatusSummary
    },
  }
}
