import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createKubeClient, loadKubeconfig, resources } from '#kubernetes/client'
import { azMissing, findAz } from '../../support/az.ts'
import { findKubectl, kubectlFor, kubectlMissing } from '../../support/kubectl.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import type { TemporaryHome } from './lab-in-temporary-home.ts'

const examples = join(import.meta.dirname, '../../../examples')

/** Why tests with az and kubectl are skipped, when they are. */
export function clusterSkip(): string | undefined {
  if (findAz() === undefined) return azMissing
  return findKubectl() === undefined ? kubectlMissing : undefined
}

/** `az` with the variables of `keymount env`. */
interface Az {
  /** The words of a line, then arguments that hold spaces. Gives what it prints, as JSON; fails the test when it fails. */
  (line: string, ...more: string[]): Promise<unknown>
  /** A command that must fail with this message. */
  fails(line: string, message: RegExp): Promise<void>
}

interface Kubectl {
  (...args: string[]): Promise<string>
  apply(manifest: string): Promise<void>
}

/** What a user of a lab has at hand. */
export interface LabTools {
  az: Az
  /** For the cluster that `az aks get-credentials -f` wrote into {@link LabTools.kubeconfig}. */
  kubectl: Kubectl
  kubeconfig: string
  /** A folder of `examples/` with its placeholders filled in. */
  example(folder: string, values: Record<string, string>): string
  /** The URL of the metadata service that pods of a cluster get. */
  imdsOf(kubeconfig: string): Promise<string>
  /** The same with a profile of az without a sign-in. */
  fresh(): Pick<LabTools, 'az'>
}

/** az and kubectl in a lab that is up. What they write goes with the test. */
export async function labTools(t: TestContext, home: TemporaryHome): Promise<LabTools> {
  const directory = temporaryDirectory(t)
  const { code, stdout, stderr } = await home.keymount('env', '--json')
  assert.equal(code, 0, stderr)
  const env = { ...(JSON.parse(stdout) as Record<string, string>), PATH: process.env.PATH ?? '', HOME: directory }
  const kubeconfig = join(directory, 'kubeconfig')
  return {
    az: azWith(env),
    kubectl: kubectlWith(kubeconfig, directory),
    kubeconfig,
    example: (folder, values) =>
      readdirSync(join(examples, folder))
        .filter((name) => name.endsWith('.yaml'))
        .map((name) => readFileSync(join(examples, folder, name), 'utf8'))
        .join('\n---\n')
        .replace(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? ''),
    imdsOf,
    fresh: () => ({ az: azWith({ ...env, AZURE_CONFIG_DIR: mkdtempSync(join(directory, 'az-')) }) }),
  }
}

/** `az` with exactly these variables. */
export function azWith(env: Record<string, string>): Az {
  const run = (line: string, more: readonly string[]) =>
    new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      const args = [...line.split(' '), ...more, '--only-show-errors', '-o', 'json']
      const child = execFile(findAz() ?? '', args, { env }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
      })
      child.stdin?.end()
    })
  const az = async (line: string, ...more: string[]) => {
    const { status, stdout, stderr } = await run(line, more)
    assert.equal(status, 0, `az ${line}: ${stderr}`)
    return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as unknown)
  }
  const fails = async (line: string, message: RegExp) => {
    const { status, stderr } = await run(line, [])
    assert.match(stderr, message)
    assert.notEqual(status, 0)
  }
  return Object.assign(az, { fails })
}

/** kubectl for one kubeconfig, with a cache of its own. */
export function kubectlWith(kubeconfig: string, cacheDir: string): Kubectl {
  const run = kubectlFor(findKubectl() ?? '', { kubeconfig, cacheDir })
  const done = async (args: readonly string[], input?: string) => {
    const { status, stdout, stderr } = await run(args, input)
    assert.equal(status, 0, `kubectl ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  return Object.assign((...args: string[]) => done(args), {
    apply: async (manifest: string) => void (await done(['apply', '-f', '-'], manifest)),
  })
}

async function imdsOf(kubeconfig: string): Promise<string> {
  const kube = createKubeClient(loadKubeconfig(kubeconfig))
  try {
    const { data } = await kube.get(resources.configMaps, { namespace: 'kube-system', name: 'keymount-provider-env' })
    return data?.AZURE_POD_IDENTITY_AUTHORITY_HOST ?? ''
  } finally {
    kube.close()
  }
}
