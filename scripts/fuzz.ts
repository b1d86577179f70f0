// Coverage-guided fuzzing of one target of test/fuzz/targets: see test/fuzz/README.md.
//
//   node bin/node.mjs scripts/fuzz.ts NAME [--seconds 60] [--list]
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { addToCorpus, readCorpus } from '../test/fuzz/corpus.ts'

const root = join(import.meta.dirname, '..')
const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, list: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const targets = globSync('test/fuzz/targets/*.ts', { cwd: root }).map((file) => basename(file, '.ts'))
const [name = ''] = positionals
if (values.list || !targets.includes(name)) {
  console.log(targets.toSorted().join('\n'))
  process.exit(values.list ? 0 : 2)
}

// The fuzzer's native part needs glibc 2.38. On an older system, KEYMOUNT_FUZZ_NODE is a command that runs Node with a newer one:
// `DIR/ld-linux-x86-64.so.2 --library-path DIR node`.
const [program = process.execPath, ...before] = process.env.KEYMOUNT_FUZZ_NODE?.split(' ') ?? []
const work = mkdtempSync(join(tmpdir(), 'keymount-fuzz-'))
const corpusFile = join(root, 'test/fuzz/corpus', `${name}.txt`)
const corpus = join(work, 'corpus')
const found = join(work, 'found')
for (const directory of [corpus, found]) mkdirSync(directory)
readCorpus(corpusFile).forEach((input, i) => {
  writeFileSync(join(corpus, String(i)), input)
})
try {
  process.exitCode = await fuzz()
} finally {
  const inputs = globSync('*', { cwd: found }).map((file) => readFileSync(join(found, file)))
  addToCorpus(corpusFile, inputs)
  rmSync(work, { recursive: true, force: true })
}

async function fuzz(): Promise<number> {
  const bundle = join(work, `${name}.cjs`)
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'test/fuzz/targets', `${name}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    mainFields: ['module', 'main'],
    supported: { 'dynamic-import': false },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
    external: ['@grpc/proto-loader'],
    outfile: bundle,
    logLevel: 'error',
  })
  const words = [bundle, found, corpus, '--includes=*', '--timeout=10000', '--']
  const limits = [`-max_total_time=${Number(values.seconds)}`, '-max_len=16384', '-rss_limit_mb=1500']
  const { status } = spawnSync(program, [...before, jazzer(), ...words, ...limits, `-artifact_prefix=${found}/`], {
    cwd: work,
    stdio: 'inherit',
  })
  return status ?? 1
}

/** Not among the development dependencies: it brings a hundred packages that nothing else needs. */
function jazzer(): string {
  const require = createRequire(process.env.KEYMOUNT_FUZZER ?? import.meta.url)
  try {
    return join(dirname(require.resolve('@jazzer.js/core/package.json')), 'dist/cli.js')
  } catch {
    throw new Error('Jazzer.js is missing: npm install --no-save @jazzer.js/core@4.0.0')
  }
}
