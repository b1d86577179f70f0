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

function skipReason(): string | false {
  if (!installed) return `csi-sanity is not installed: ${install}, then KEYMOUNT_CSI_SANITY=DIR/csi-sanity`
  return mayMount() ? false : 'needs root or a user namespace'
}

/** These begin with the controller's CreateVolume, which a driver of inline volumes does not have. */
const needVolumes = [
  'Node Service NodeUnpublishVolume should remove target path',
  'Node Service NodeGetVolumeStats should fail when volume does not exist on the specified path',
  'Controller Service [Controller Server] ValidateVolumeCapabilities should fail when no volume capabilities are provided',
  'Controller Service [Controller Server] ValidateVolumeCapabilities should return appropriate values (no optional values added)',
]

/** Upstream's driver passes 14. */
const passing = 16

test('csi-sanity fails nothing but what creates a volume through a controller', { skip: skipReason() }, async (t) => {
  const driver = await startDriver(t, { mounter: createLinuxMounter() })
  const output = await run(program, [
    `--csi.endpoint=${driver.endpoint}`,
    `--csi.mountdir=${join(driver.root, 'sanity-mount')}`,
    `--csi.stagingdir=${join(driver.root, 'sanity-staging')}`,
    '--ginkgo.no-color',
  ])
  const [summary = '', passed, failed] = /(\d+) Passed \| (\d+) Failed.*/.exec(output) ?? []
  assert.notEqual(summary, '', output)
  t.diagnostic(summary)
  const failures = [...output.matchAll(/^ +\[FAIL\] (.*)$/gm)].map(([, name = '']) => name.replace('[It] ', ''))
  assert.deepEqual(failures.toSorted(), needVolumes.toSorted(), output)
  assert.equal(Number(failed), needVolumes.length)
  assert.equal([...output.matchAll(/^ *\[FAILED\] volume create failed$/gm)].length, needVolumes.length, output)
  assert.ok(Number(passed) >= passing, summary)
})

/** Asynchronously: the driver answers from this very process. */
function run(file: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    )
  })
}
