import assert from 'node:assert/strict'
import { test } from 'node:test'
import { optIn, startRestartLab } from '../product/operator/restart-lab.ts'
import { runCli } from '../support/run-cli.ts'

test('restart --dry-run lists what would be restarted and why not yet, and restarts nothing', async (t) => {
  const lab = await startRestartLab(t)
  const restart = (...words: string[]) =>
    runCli(['restart', ...words], { KUBECONFIG: lab.driver.kubeconfig, NO_COLOR: '1' })
  const usage = await restart()
  assert.equal(usage.code, 2)
  assert.match(usage.stderr, /Add --dry-run/)
  assert.match((await restart('--dry-run')).stdout, /^No workload with running pods asks for restarts/)

  await lab.createClass('app')
  await lab.deploy('web')
  await lab.deploy('paused', { paused: true })
  await lab.deploy('mistake', { annotations: { ...optIn, 'keymount.dev/restart-min-interval': 'soon' } })
  assert.match((await restart('--dry-run')).stdout, /✓ deployment default\/web: all pods have the versions/)
  lab.setVersion('v2')
  await lab.hasVersion('web', 'v2', 1)
  await lab.hasVersion('paused', 'v2', 1)
  const { stdout, code } = await restart('--dry-run')
  assert.equal(code, 0)
  assert.match(stdout, /! deployment default\/web: would be restarted now\n {4}1 pod of 1 started with older versions/)
  assert.match(stdout, /! deployment default\/paused: would be restarted; waits because the workload is paused\n/)
  assert.match(
    stdout,
    /! deployment default\/mistake: not restarted: .*\n {4}annotation .* found "soon", expected a duration/,
  )

  const { workloads } = JSON.parse((await restart('--dry-run', '-o', 'json')).stdout) as {
    workloads: { name: string }[]
  }
  const web = workloads.find(({ name }) => name === 'web') as { action?: string; stalePods?: string[] } | undefined
  assert.equal(web?.action, 'restart')
  assert.equal(web?.stalePods?.length, 1)
  assert.equal(await lab.restartedFor('web'), undefined)
})
