import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { processNames } from './build-bundles.ts'
import { buildRootfs } from './build-rootfs.ts'

const packageRoot = resolve(import.meta.dirname, '../../..')

/** A small package of the same shape: its programs print their name and arguments. */
function makePackage(t: TestContext): { root: string; out: string; writeProgram(name: string, text: string): void } {
  const root = temporaryDirectory(t, 'keymount-image-')
  mkdirSync(join(root, 'src/bin'), { recursive: true })
  for (const name of ['package.json', 'package-lock.json', 'LICENSE', 'node_modules', 'src/bin/start.ts']) {
    symlinkSync(join(packageRoot, name), join(root, name))
  }
  const writeProgram = (name: string, text: string) => writeFileSync(join(root, 'src/bin', `${name}.ts`), text)
  for (const name of ['worker', ...processNames]) {
    writeProgram(name, `import { basename } from 'node:path'\nconsole.log('${name}', ...process.argv.slice(2))\n`)
  }
  return { root, out: join(root, 'dist'), writeProgram }
}

function run(rootfs: string, ...words: string[]): string {
  const [node = '', ...rest] = JSON.parse(readFileSync(join(rootfs, '.entrypoint'), 'utf8')) as string[]
  const inside = (word: string) => (word.startsWith('/') ? join(rootfs, word) : word)
  return execFileSync(inside(node), [...rest.map(inside), ...words], { encoding: 'utf8', stdio: 'pipe' })
}

test('buildRootfs() gives a directory whose entry point runs the named program with the remaining arguments', async (t) => {
  const { root, out } = makePackage(t)
  const { path } = await buildRootfs(out, { root })
  assert.equal(run(path, 'driver', '--nodeid=a'), 'driver --nodeid=a\n')
  assert.equal(run(path, 'provider'), 'provider\n')
  assert.throws(
    () => run(path, 'other'),
    new RegExp(`no program "other" in this image; the first argument is ${processNames.slice(0, -1).join(', ')} or `),
  )
  assert.throws(() => run(path, '../../../etc/passwd'), /no program/)
})

test('buildRootfs() holds the programs that mount, their libraries, and a place for temporary files', async (t) => {
  const { root, out } = makePackage(t)
  const { path } = await buildRootfs(out, { root })
  for (const name of [
    'usr/bin/mount',
    'usr/bin/umount',
    'usr/bin/xargs',
    'etc/ssl/certs/ca-certificates.crt',
    'etc/passwd',
  ]) {
    assert.ok(existsSync(join(path, name)), name)
  }
  assert.equal(statSync(join(path, 'tmp')).mode & 0o7777, 0o1777)
  assert.equal(statSync(join(path, 'usr/bin/mount')).mode & 0o7777, 0o755)
  const loader = execFileSync('ldd', ['/usr/bin/mount'], { encoding: 'utf8' }).match(/^\s+(\/\S+)/m)?.[1] ?? ''
  assert.ok(existsSync(join(path, loader)), loader)
})

test('buildRootfs() holds the programs that redirect connections, with what they load, where this machine has them', async (t) => {
  const programs = ['xtables-nft-multi', 'xtables-legacy-multi'].filter((name) => existsSync(`/usr/sbin/${name}`))
  if (programs.length === 0) return t.skip('no iptables on this machine')
  const { root, out } = makePackage(t)
  const { path } = await buildRootfs(out, { root })
  const input = '*nat\n-A OUTPUT -p tcp -m tcp --dport 80 -m owner --uid-owner 1 -j REDIRECT --to-ports 8000\nCOMMIT\n'
  for (const program of programs) {
    const words = [path, `/usr/sbin/${program}`, 'iptables-restore', '--test', '--noflush']
    // --test parses the rules, which loads everything, and leaves the kernel's as they are.
    execFileSync('unshare', ['-Urn', 'chroot', ...words], {
      input,
      env: { ...process.env, XTABLES_LOCKFILE: '/tmp/lock' },
    })
  }
})

test('buildRootfs() has the proxy under the name that upstream’s image has', async (t) => {
  const { root, out } = makePackage(t)
  const { path } = await buildRootfs(out, { root })
  assert.equal(statSync(join(path, 'proxy')).mode & 0o111, 0o111)
  assert.match(
    execFileSync('unshare', ['-Ur', 'chroot', path, '/proxy', '--probe'], { encoding: 'utf8' }),
    /^proxy --probe\n$/,
  )
})

test('buildRootfs() builds again only when something that goes in has changed', async (t) => {
  const { root, out, writeProgram } = makePackage(t)
  const first = await buildRootfs(out, { root })
  const second = await buildRootfs(out, { root })
  assert.deepEqual([first.cached, second.cached], [false, true])
  assert.equal(second.path, first.path)
  writeProgram('driver', "console.log('changed')\n")
  const third = await buildRootfs(out, { root })
  assert.notEqual(third.path, first.path)
  assert.equal(run(third.path, 'driver'), 'changed\n')
  assert.ok(existsSync(first.path), 'containers of the older one may still run')
})

test('buildRootfs() may be called by several at once', async (t) => {
  const { root, out } = makePackage(t)
  const all = await Promise.all([1, 2, 3].map(() => buildRootfs(out, { root })))
  assert.equal(new Set(all.map(({ path }) => path)).size, 1)
  assert.equal(run(all[0]?.path ?? '', 'provider'), 'provider\n')
})

test('buildRootfs() leaves nothing behind when a program does not compile', async (t) => {
  const { root, out, writeProgram } = makePackage(t)
  writeProgram('provider', "import './missing.ts'\n")
  await assert.rejects(buildRootfs(out, { root }), /Could not resolve "\.\/missing\.ts"/)
  const left = execFileSync('ls', [out], { encoding: 'utf8' }).split('\n')
  assert.ok(left.every((name) => !name.startsWith('building-') && !name.startsWith('rootfs-')))
})

test('buildRootfs() makes the same programs, byte for byte, in two directories', async (t) => {
  const { root, out } = makePackage(t)
  const [a, b] = [await buildRootfs(out, { root }), await buildRootfs(`${out}-again`, { root })]
  for (const name of ['driver.cjs', 'driver.cjs.cache', 'start.cjs']) {
    const bytes = ({ path }: { path: string }) => readFileSync(join(path, 'opt/keymount', name))
    assert.ok(bytes(a).equals(bytes(b)), name)
  }
})
