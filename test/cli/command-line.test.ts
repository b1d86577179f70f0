import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultPorts } from '../../src/lab/home/state/lab-settings.ts'
import { runCli } from '../support/run-cli.ts'

const root = join(import.meta.dirname, '../..')
const names = (directory: string) =>
  readdirSync(join(root, directory))
    .filter((file) => /^[a-z-]+\.ts$/.test(file))
    .map((file) => file.slice(0, -'.ts'.length))

const commands = names('src/cli/commands')
/** Programs that are not commands: the command line, the image's entry point and worker threads, and a process of the local cluster. */
const inner = ['cli', 'start', 'worker', 'pod-network-router']
const daemons = names('src/bin').filter((name) => !inner.includes(name))

/** The subcommands that a help lists, by the words that lead to each. */
async function subcommands(path: readonly string[]): Promise<string[][]> {
  const { code, stdout, stderr } = await runCli([...path, '--help'])
  assert.equal(code, 0, stderr)
  const list = /^Commands:\n((?: .*\n)+)/m.exec(stdout)?.[1] ?? ''
  const found = [...list.matchAll(/^ {2}([a-z-]+)/gm)].flatMap(([, name]) => (name === 'help' ? [] : [name ?? '']))
  return found.map((name) => [...path, name])
}

test('--version, -V and version print the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  for (const word of ['--version', '-V', 'version']) {
    assert.deepEqual(await runCli([word]), { code: 0, stdout: `${version}\n`, stderr: '' })
  }
})

test('--help, -h and help list every command on standard output', async () => {
  const [long, short, word] = await Promise.all([['--help'], ['-h'], ['help']].map((args) => runCli(args)))
  assert.equal(long?.code, 0)
  assert.deepEqual(short, long)
  assert.deepEqual(word, long)
  for (const name of commands) assert.match(long?.stdout ?? '', new RegExp(`^  ${name}[| ]`, 'm'))
})

test('as npx runs it, messages name the program once', async () => {
  const env = { npm_command: 'exec' }
  const rows: [words: string[], message: RegExp][] = [
    [['up', '--portz'], /see npx keymount up --help/],
    [['completion', 'powershell'], /see npx keymount completion --help/],
    [['status', 'xx'], /^keymount: npx keymount status has no subcommand "xx"/],
    [['azure', 'fault', 'shop'], /^keymount: /],
  ]
  for (const [words, message] of rows) {
    const { code, stderr } = await runCli(words, env)
    assert.equal(code, 2)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /npx npx/)
  }
})

test('only a command with subcommands has the section of them in its help', async () => {
  assert.doesNotMatch((await runCli(['down', '--help'])).stdout, /^Commands:/m)
  assert.match((await runCli(['azure', '--help'])).stdout, /^Commands:\n(?: .*\n)* {2}help/m)
})

test('every program of src/bin is a command', () => {
  assert.deepEqual(
    daemons.filter((name) => !commands.includes(name)),
    [],
  )
})

test('every command, at every depth, has a help of at most 80 columns, and "help COMMAND" prints the same', async () => {
  const waiting = commands.filter((name) => !daemons.includes(name) && name !== 'help').map((name) => [name])
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const { code, stdout, stderr } = await runCli([...path, '-h'])
    assert.equal(code, 0, `${path.join(' ')}: ${stderr}`)
    assert.equal(stderr, '')
    assert.match(stdout, new RegExp(`^Usage: keymount ${path.join(' ')}`))
    const long = stdout.split('\n').filter((line) => [...line].length > 80 && !line.startsWith('Usage: '))
    assert.deepEqual(long, [], path.join(' '))
    if (path.length > 2) assert.equal((await runCli(['help', ...path])).stdout, stdout)
    waiting.push(...(await subcommands(path)))
  }
})

for (const name of daemons) {
  test(`keymount ${name} prints the help of that program`, async () => {
    for (const word of ['--help', '-h']) {
      const { code, stdout, stderr } = await runCli([name, word])
      assert.equal(code, 0, stderr)
      assert.match(stdout, new RegExp(`^Usage: keymount ${name} \\[flags\\]$`, 'm'))
    }
    assert.match((await runCli(['help', name])).stdout, new RegExp(`^Usage: keymount ${name} \\[flags\\]$`, 'm'))
  })
}

test('an unknown command gets the nearest one, and status 2', async () => {
  const { code, stdout, stderr } = await runCli(['stauts'])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.equal(stderr, "keymount: unknown command 'stauts'\n  fix  did you mean status?\n  fix  see keymount --help\n")
})

test('a command without the subcommand that it needs prints its help on standard error', async () => {
  const { code, stdout, stderr } = await runCli(['azure'])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^Usage: keymount azure .*throttle/s)
})

test('a wrong value names the option and what it accepts, and the help to read', async () => {
  for (const [args, text] of [
    [['up', '--port', '70000'], /--port <port>.*Expected a port from 0 \(any free one\) to 65535/],
    [['up', '--sync-frequency', 'soon'], /--sync-frequency <time>.*Expected a duration such as 30s or 2m/],
    [['up', '--ports', 'some'], /--ports <which>.*fixed, free/],
    [['status', '-o', 'xml'], /--output <format>.*json, yaml/],
    [['azure', 'throttle'], /missing required argument 'vault'/],
    [['identity', 'sa', 'create', '--service-acount-name', 'x'], /did you mean --service-account-name\?/],
  ] as const) {
    const { code, stderr } = await runCli([...args])
    assert.equal(code, 2)
    assert.match(stderr, /^keymount: /)
    assert.match(stderr, text)
    assert.match(stderr, new RegExp(`fix {2}see keymount ${args[0]}.* --help$`, 'm'))
  }
})

test('the ports in the help of up are the ports that it uses', async () => {
  const { stdout } = await runCli(['up', '--help'])
  const text = stdout.replaceAll(/\s+/g, ' ')
  for (const port of Object.values(defaultPorts)) assert.ok(text.includes(`(default: ${port})`), text)
})

test('messages name commands as the user calls them', async () => {
  const { stdout, stderr } = await runCli(['status', '--home', '/nonexistent'], { npm_command: 'exec' })
  assert.match(stdout, /Start it: npx keymount up --home \/nonexistent$/m, stderr)
})

test('the daemons run from the same command', async () => {
  const { code, stdout } = await runCli(['provider', '--version'])
  assert.equal(code, 0)
  assert.match(stdout, /"version":"v\d/)
  const wrong = await runCli(['driver', '--no-such-flag'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--no-such-flag: unknown flag/)
})

test('the version needs nothing but the entry point, and no state', async () => {
  const home = join(root, 'does-not-exist')
  assert.equal((await runCli(['--version', '--home', home])).code, 0)
  assert.ok(!existsSync(home))
})

/** Prints the files that Node 24 loads; an older Node only starts it. */
const reportLoads = `
import module from 'node:module'
module.registerHooks?.({ load(url, context, next) { process.stderr.write('load ' + url + '\\n'); return next(url, context) } })
`

test('the version, the help and completions load nothing but the command line', async () => {
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(reportLoads)}`
  for (const args of [['--version'], ['--help'], ['up', '-h'], ['completion', 'words', '--', 'up', '--p']]) {
    const { code, stderr } = await runCli(args, { NODE_OPTIONS })
    assert.equal(code, 0, stderr)
    const loaded = [...stderr.matchAll(/^load file:\S*\/(src\/[a-z-]+|node_modules\/[^/]+)\//gm)].map(
      ([, part]) => part,
    )
    const others = new Set(loaded.filter((part) => !['src/bin', 'src/cli', 'src/packaging'].includes(part ?? '')))
    assert.ok(loaded.length > 0)
    assert.deepEqual(
      [...others].filter((part) => part !== 'node_modules/commander'),
      [],
      args.join(' '),
    )
  }
})

test('version -o json prints the version for programs', async () => {
  const { code, stdout } = await runCli(['version', '-o', 'json'])
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout), { version: (await runCli(['version'])).stdout.trim() })
})
