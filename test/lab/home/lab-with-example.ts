import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { mayMount } from '../../support/may-mount.ts'
import { type TemporaryHome, temporaryHome, type UpSummary } from './lab-in-temporary-home.ts'
import { clusterSkip, kubectlWith, type LabTools, labTools } from './lab-tools.ts'

/** Why tests with the example are skipped, when they are. */
export const exampleSkip = clusterSkip() ?? (mayMount() ? false : 'needs the right to mount')

interface LabWithExample {
  home: TemporaryHome
  lab: UpSummary
  /** What `keymount up --example` printed for the user. */
  printed: string
  az: LabTools['az']
  /** The mounted secret as the pod sees it. */
  read(): Promise<string>
}

/** A lab with the example, whose pod has the first value of its secret. */
export async function startLabWithExample(t: TestContext, ...upFlags: string[]): Promise<LabWithExample> {
  const home = await temporaryHome(t)
  const { code, stderr } = await home.keymount('up', '--ports', 'free', '--example', ...upFlags)
  assert.equal(code, 0, stderr)
  const { az } = await labTools(t, home)
  const lab = await home.up()
  const kubectl = kubectlWith(lab.kubeconfig, home.path)
  const pod = 'busybox-secrets-store-inline-wi'
  await kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s')
  const read = () => kubectl('exec', pod, '--', 'cat', '/mnt/secrets-store/ExampleSecret')
  assert.equal(await read(), 'MyAKSExampleSecret')
  return { home, lab, printed: stderr, az, read }
}
