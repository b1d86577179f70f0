import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLinuxMounter } from '#product/driver'
import { startDriver } from '../../support/driver.ts'
import { mayMount } from '../../support/may-mount.ts'

const program = process.env.KEYMOUNT_CSI_SANITY ?? 'csi-sanity'
const installed = spawnSync(program, ['--help']).error === undefined
const install = 'GOBIN=DIR go install github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@latest'

/**
 * Cases that call the controller's CreateVolume, which a driver of inline volumes does not have; all others are run.
 * https://github.com/kubernetes-csi/csi-test/blob/master/pkg/sanity/node.go
 */
const needController = [
  'Controller',
  'should remove target path',
  'should fail when volume does not exist on the specified path',
]

function skipReason(): string | false {
  if (!installed) return `csi-sanity is not installed: ${install}, then KEYMOUNT_CSI_SANITY=DIR/csi-sanity`
  return mayMount() ? false : 'needs root or a user namespace'
}

test('csi-sanity passes for every case that calls no controller', { skip: skipReason() }, async (t) => {
  const driver = await startDriver(t, { mounter: createLinuxMounter() })
  const { status, output } = await run(program, [
    `--csi.endpoint=${driver.endpoint}`,
    `--csi.mountdir=${join(driver.root, 'sanity-mount')}`,
    `--csi.stagingdir=${join(driver.root, 'sanity-staging')}`,
    `--ginkgo.skip=${needController.join('|')}`,
    '--ginkgo.no-color',
  ])
  assert.equal(status, 0, output)
  t.diagnostic(/SUCCESS! .*/.exec(output)?.[0] ?? output)
  const [, passed, failed] = /(\d+) Passed \| (\d+) Failed/.exec(output) ?? []
  assert.equal(failed, '0')
  assert.ok(Number(passed) >= 13, output)
})

/** Asynchronously: the driver answers from this very process. */
function run(file: string, args: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ status, output: stdout + stderr })
    })
  })
}
