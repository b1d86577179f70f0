/**
 * The image for linux/arm64 on this machine, under an emulator: its programs start, answer on their sockets, and do what they
 * are for. The build itself runs each daemon once, with `--version`.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { before, suite, test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { resources } from '#kubernetes/client'
import { type GetPluginInfoResponse, IdentityClient } from '#kubernetes/csi'
import { platformNamed } from '#packaging/image'
import { namespace, podReview, samplePod, startWebhookLab } from '../product/webhook/webhook-lab.ts'
import { unary } from '../support/driver.ts'
import { startDriverLab } from '../support/driver-lab.ts'
import { type EmulatedImage, emulatedImage, needsEmulator } from '../support/emulated-image.ts'
import { eventually } from '../support/eventually.ts'
import { connectProvider } from '../support/provider.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

suite('the image for arm64', needsEmulator(), () => {
  let image: EmulatedImage
  before(async () => {
    image = await emulatedImage()
  })

  /** A daemon of the image, and what it logs. It ends with the test. */
  function start(t: { after(run: () => Promise<void>): void }, words: readonly string[], env = {}) {
    const [program = '', ...rest] = [...image.within, ...image.command, ...words]
    const child: ChildProcess = spawn(program, rest, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    t.after(async () => {
      child.kill()
      await ended
    })
    const log: { msg: string; port?: number }[] = []
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => log.push(JSON.parse(line)))
    return { child, log }
  }

  test('every program is for arm64, and the daemons have their compiled code', () => {
    for (const name of ['usr/local/bin/node', 'usr/bin/mount', 'usr/bin/umount', 'usr/bin/xargs']) {
      // e_machine of the ELF header.
      assert.equal(readFileSync(join(image.rootfs, name)).readUInt16LE(0x12), 183, name)
    }
    assert.ok(existsSync(join(image.rootfs, platformNamed('linux/arm64').system.loader)))
    for (const name of ['driver', 'provider', 'controller']) {
      assert.ok(existsSync(join(image.rootfs, `opt/keymount/${name}.cjs.cache`)), name)
    }
    assert.match(image.run([...image.command, 'driver', '--help']), /--endpoint/)
  })

  test('V8 takes the compiled code as it is', () => {
    const script = `
      const { readFileSync } = require('node:fs')
      const file = '/opt/keymount/driver.cjs'
      const source = readFileSync(file).toString('latin1')
      const code = '(function (exports, require, module, __filename, __dirname) {' + source + '\\n})'
      const { cachedDataRejected } = new (require('node:vm').Script)(code, { filename: 'driver.cjs', cachedData: readFileSync(file + '.cache') })
      console.log(process.arch, cachedDataRejected)`
    const [node = '', ...words] = image.command
    assert.equal(image.run([node, ...words.slice(0, -1), '-e', script]), 'arm64 false\n')
  })

  test('the driver mounts the files of a class with the programs of the image', async (t) => {
    const lab = await startDriverLab({ within: image.within, command: [...image.command, 'driver'] })
    t.after(() => lab.stop())
    const identity = new IdentityClient(`unix:${join(lab.root, 'csi/csi.sock')}`, credentials.createInsecure())
    t.after(() => identity.close())
    const { name } = await unary<object, GetPluginInfoResponse>(identity, identity.getPluginInfo, {})
    assert.equal(name, 'secrets-store.csi.k8s.io')
    lab.provider.objects.set('db', { content: 'value', version: '1' })
    await lab.createClass('app', ['db'])
    const pod = await lab.pod('app')
    await lab.publish(pod)
    // The mounts of its namespace.
    const { pid } = lab.driver
    const target = `/proc/${pid}/root${pod.request.targetPath}`
    assert.equal(readFileSync(join(target, 'db'), 'utf8'), 'value')
    const mounts = () => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    assert.ok(mounts().includes(pod.request.targetPath ?? ''))
    await lab.unpublish(pod)
    assert.ok(!mounts().includes(pod.request.targetPath ?? ''))
  })

  test('the provider answers Version and its health check', async (t) => {
    const socket = join(temporaryDirectory(t), 'azure.sock')
    start(t, ['provider', `--endpoint=unix://${socket}`, '--healthz-port=0', '--metrics-addr=0'])
    const calls = connectProvider(t, socket)
    const { version } = await eventually(() => calls.version())
    assert.equal(version, 'v1alpha1')
    assert.equal(await calls.health(), 1)
  })

  test('the webhook admits a pod', async (t) => {
    const lab = await startWebhookLab(t)
    const metadata = {
      name: 'app',
      namespace: 'default',
      annotations: { 'azure.workload.identity/client-id': 'client' },
    }
    await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
    const flags = ['--webhook-addr=127.0.0.1:0', '--health-addr=0', '--metrics-addr=0', '--drain-time=0s']
    const { log } = start(t, ['controller', `--kubeconfig=${lab.kubeconfig}`, ...flags], {
      AZURE_TENANT_ID: 'tenant',
      POD_NAMESPACE: namespace,
    })
    const port = await eventually(() => {
      const found = log.find(({ msg }) => msg === 'listening')?.port
      assert.ok(found !== undefined, JSON.stringify(log))
      return found
    })
    const { body } = await eventually(
      async () => lab.post(port, podReview(samplePod), { ca: await lab.bundle() }),
      60_000,
    )
    assert.equal(body.response.allowed, true)
    assert.equal(body.response.patchType, 'JSONPatch')
  })

  // The other one, of nftables, begins with a kind of socket that the emulator does not have.
  test('the program that redirects connections by the older packet filter loads its extensions', () => {
    const help = (...words: string[]) => image.run(['/usr/sbin/xtables-legacy-multi', 'iptables', ...words, '--help'])
    assert.match(help('-m', 'owner'), /--uid-owner/)
    assert.match(help('-p', 'tcp'), /--destination-port/)
    assert.match(help('-j', 'REDIRECT'), /--to-ports/)
    assert.match(help('-j', 'DNAT'), /--to-destination/)
  })
})
