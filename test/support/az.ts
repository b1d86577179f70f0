import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { getCACertificates } from 'node:tls'
import { findProgram } from './find-program.ts'
import type { CommandResult } from './kubectl.ts'
import { startLocalAzure, type TestAzure } from './local-azure.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The unmodified Azure CLI on a local Azure, signed in with a profile of its own. */
export interface Az {
  readonly azure: TestAzure
  /** Directory for files of the test; removed with the test. */
  readonly directory: string
  /** Its environment: the sign-in, the local Azure and what it trusts. For programs that run az. */
  readonly environment: Readonly<Record<string, string>>
  /** Runs `az` with these arguments and `--only-show-errors`. */
  run(args: readonly string[]): Promise<CommandResult>
  /** The same command in another profile, which is not signed in, with additional environment variables. */
  withFreshProfile(environment?: Record<string, string>): Az
}

/** Why tests with az are skipped, when they are. */
export const azMissing =
  'az is not installed: put one on the PATH or name it in KEYMOUNT_AZ (python3 -m venv DIR && DIR/bin/pip install azure-cli)'

/** The az that $KEYMOUNT_AZ names, else the first on the PATH. */
export function findAz(): string | undefined {
  return findProgram('az', 'KEYMOUNT_AZ')
}

/** Starts a local Azure and signs az in as its administrator. Both end with the test. */
export async function startAz(
  t: TestContext,
  program: string,
  overrides: Parameters<typeof startLocalAzure>[1] = {},
): Promise<Az> {
  return signedInAz(t, program, await startLocalAzure(t, overrides))
}

/** The same for a local Azure that runs already. */
export async function signedInAz(t: TestContext, program: string, azure: TestAzure): Promise<Az> {
  const directory = temporaryDirectory(t, 'az-')
  const bundle = join(directory, 'bundle.pem')
  writeFileSync(bundle, [...getCACertificates('system'), readFileSync(azure.caFile, 'utf8')].join('\n'))
  const az = azIn({ program, azure, directory, bundle })
  const { clientId, clientSecret, tenantId } = azure.administrator
  const login = ['login', '--service-principal', '-u', clientId, '-p', clientSecret, '--tenant', tenantId]
  const { status, stderr } = await az.run(login)
  if (status !== 0) throw new Error(`az login ended with ${status}: ${stderr}`)
  return az
}

interface AzPlace {
  program: string
  azure: TestAzure
  directory: string
  /** File with the CA certificates that it trusts. */
  bundle: string
}

function azIn(place: AzPlace, environment: Record<string, string> = {}): Az {
  const { program, azure, directory, bundle } = place
  const profile = mkdtempSync(join(directory, 'profile-'))
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    HTTPS_PROXY: azure.proxyUrl,
    REQUESTS_CA_BUNDLE: bundle,
    AZURE_CONFIG_DIR: profile,
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    AZURE_CORE_NO_COLOR: 'yes',
    ...environment,
  }
  return {
    azure,
    directory,
    environment: env,
    run: (args) =>
      new Promise((resolve) => {
        const options = { env, cwd: directory }
        const child = execFile(program, [...args, '--only-show-errors'], options, (error, stdout, stderr) => {
          resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
        })
        child.stdin?.end()
      }),
    withFreshProfile: (more) => azIn(place, more),
  }
}

/**
 * One line of a walk through az: its arguments, and what it must do. In arguments `{name}` stands for what an earlier
 * step kept under that name; arguments are split at spaces, which `\ ` keeps.
 */
export interface AzStep {
  az: string
  /** A JMESPath for `--query`, whose result is compared and captured. */
  query?: string
  /** Expected output, parsed as JSON. Default: anything, with exit status 0. */
  prints?: unknown
  /** Captures the output under this name. */
  keep?: string
  /** Expects a failure with this exit status and error. */
  fails?: { status: number; saying: RegExp }
}

/** Runs the steps in order, each as a subtest; the first that fails ends the walk. Returns the captured values. */
export async function walk(
  t: TestContext,
  az: Az,
  steps: readonly AzStep[],
  kept: Record<string, string> = {},
): Promise<Record<string, string>> {
  const names: Record<string, string> = { ...az.azure.administrator, dir: az.directory, ...kept }
  for (const step of steps) {
    let failure: unknown
    await t.test(`az ${step.az}`, async () => {
      try {
        await take(az, step, names)
      } catch (error) {
        failure = error
        throw error
      }
    })
    if (failure !== undefined) break
  }
  return names
}

async function take(az: Az, { az: line, query, prints, keep, fails }: AzStep, names: Record<string, string>) {
  const args = [...argumentsOf(line, names), ...(query === undefined ? [] : ['--query', query])]
  const { status, stdout, stderr } = await az.run(args)
  if (fails !== undefined) {
    assert.match(stderr, fails.saying)
    assert.equal(status, fails.status, stderr)
    return
  }
  assert.equal(status, 0, stderr)
  const printed: unknown = stdout.trim() === '' ? undefined : parsed(stdout)
  if (prints !== undefined) assert.deepEqual(printed, prints)
  if (keep !== undefined) names[keep] = typeof printed === 'string' ? printed : JSON.stringify(printed)
}

function argumentsOf(line: string, names: Record<string, string>): string[] {
  // Names are replaced before splitting, so that a captured value may be several arguments.
  const whole = line.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = names[name]
    if (value === undefined) throw new Error(`no step kept {${name}}`)
    return value
  })
  return whole.split(/(?<!\\) /).map((word) => word.replaceAll('\\ ', ' '))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The unmodified Azure CLI judges the local Azure, with Azure's own host names: each table is what a user types, in order. */
export function azTest(
  name: string,
  steps: readonly AzStep[],
  files: (t: TestContext) => Record<string, string> = () => ({}),
): void {
  const program = findAz()
  test(name, { skip: program === undefined && azMissing }, async (t: TestContext) => {
    await walk(t, await startAz(t, program ?? ''), steps, files(t))
  })
}

/** A first step: the resource group `shop`. */
export const group: AzStep = {
  az: 'group create -n shop -l westeurope',
  query: 'properties.provisioningState',
  prints: 'Succeeded',
}
