import { execFile } from 'node:child_process'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { BuildOptions } from 'esbuild'
import { allEnded } from '#lib/async'
import { nodeFlags } from './image-config.ts'

/** The processes of the image. Each has an entry `src/bin/NAME.ts`. */
export const processNames = [
  'driver',
  'provider',
  'node',
  'controller',
  'proxy',
  'proxy-init',
  'sync',
  'operator',
  'notify',
  'env-file',
  'mic',
  'nmi',
  'install-check',
  'uninstall-check',
] as const

/** Those that check something once and end: they compile what they need, and the image is built without waiting for them. */
const withoutCompiledCode: readonly string[] = ['env-file', 'install-check', 'uninstall-check']
export const compiledNames = processNames.filter((name) => !withoutCompiledCode.includes(name))

/** The file of worker threads, which a program finds beside its own. */
const workerName = 'worker'

/** Packages that several programs load at their start. Each is bundled and compiled once, in a file of its own. */
export const sharedPackages = ['@grpc/grpc-js', 'pino', 'yaml'] as const

/**
 * Packages that our sources import when they are first needed, also in files of their own: the text of a bundle
 * stays in memory, so what most nodes never need must not be in it.
 */
const lazyPackages = [
  'node-forge',
  '@peculiar/x509',
  'reflect-metadata',
  '@opentelemetry/api',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace-base',
] as const

export interface Bundles {
  /** Files written, with their size in bytes. */
  files: { path: string; bytes: number }[]
  /** esbuild's account of what each file is made of. https://esbuild.github.io/api/#metafile */
  metafile: string
  /** Files that any of them is made of: paths below `root`. */
  inputs: readonly string[]
}

export interface BundleOptions {
  /** Directory of the package. */
  root: string
  /** Where the files go; created if missing. */
  out: string
  /** Node to run them with. */
  node: string
  /** What comes before it on a command line. Default: nothing. */
  emulator?: readonly string[] | undefined
}

/** The programs of the image in `out`: {@link bundlePrograms}, then {@link compilePrograms}. */
export async function buildBundles({ root, out, node }: BundleOptions): Promise<Bundles> {
  const { metafile, inputs } = await bundlePrograms({ root, out })
  await compilePrograms({ out, node })
  const names = [
    'start.cjs',
    `${workerName}.cjs`,
    ...processNames.map((name) => `${name}.cjs`),
    ...compiledNames.map((name) => `${name}.cjs.cache`),
    ...sharedPackages.flatMap((name) => [`node_modules/${name}.js`, `node_modules/${name}.js.cache`]),
  ]
  const files = names.map((name) => ({ path: join(out, name), bytes: statSync(join(out, name)).size }))
  return { files, metafile, inputs }
}

/**
 * One minified CommonJS file per process, and `start.cjs` that runs them. esbuild works in a process of its own.
 *
 * CommonJS because only `vm.Script` takes compiled code from a file that does not depend on the processor's model, which
 * Node's own compile cache does; compiled code saves about 4 MiB per process, since nothing is parsed at start.
 */
export async function bundlePrograms({
  root,
  out,
}: Pick<BundleOptions, 'root' | 'out'>): Promise<Pick<Bundles, 'metafile' | 'inputs'>> {
  mkdirSync(out, { recursive: true })
  const { build } = await import('esbuild')
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
    // Written here: esbuild reports a full disk as an error of the program.
    write: false,
  } satisfies BuildOptions
  const programs = build({
    ...common,
    // Names of our errors and functions stay readable in logs. Not those of packages: a function with such a name costs 250 bytes.
    keepNames: true,
    entryPoints: ['start', workerName, ...processNames].map((name) => ({ in: `src/bin/${name}.ts`, out: name })),
    outdir: out,
    outExtension: { '.js': '.cjs' },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
    external: [...sharedPackages, ...lazyPackages],
    // import() becomes require(), which finds packages from a script of node:vm.
    supported: { 'dynamic-import': false },
    metafile: true,
  })
  const packages = build({
    ...common,
    entryPoints: [...sharedPackages, ...lazyPackages].map((name) => ({ in: name, out: name })),
    outdir: join(out, 'node_modules'),
    // The gRPC library reads .proto files at run time only for diagnosis services that we do not offer.
    external: ['@grpc/proto-loader'],
    metafile: true,
  })
  const [{ metafile, outputFiles }, { metafile: ofPackages, outputFiles: packageFiles }] = await allEnded([
    programs,
    packages,
  ])
  for (const { path, contents } of [...outputFiles, ...packageFiles]) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, contents)
  }
  return { metafile: JSON.stringify(metafile), inputs: Object.keys({ ...metafile.inputs, ...ofPackages.inputs }) }
}

/** The compiled code of the programs and shared packages that {@link bundlePrograms} wrote to `out`, but for programs that end at once. */
export async function compilePrograms({
  out,
  node,
  emulator = [],
}: Pick<BundleOptions, 'out' | 'node' | 'emulator'>): Promise<void> {
  await Promise.all(
    compiledTogether.map((names, index) => compile([...emulator, node], out, names, index === 0 ? 'all' : 'programs')),
  )
}

/**
 * Two processes compile all programs, one after the other: the start of Node costs as much as compiling one of them. The first
 * has all that load the gRPC library. Not one process per processor: the bytes depend on what a process has compiled before,
 * and are the same on every machine.
 */
const withGrpc: readonly string[] = ['driver', 'provider', 'node', 'sync']
const compiledTogether = [true, false].map((grpc) => compiledNames.filter((name) => withGrpc.includes(name) === grpc))

/**
 * Runs programs once, so that `start.cjs` writes the code that it compiled. The flags make it the same bytes each time: without
 * `--predictable`, V8 decided in another thread about a bit of some functions (two bytes in one of six runs). Neither is
 * among the flags that V8 compares when it reads the code.
 */
async function compile(
  [program = '', ...words]: string[],
  out: string,
  names: readonly string[],
  writes: 'all' | 'programs',
): Promise<void> {
  const reproducible = ['--random-seed=1', '--predictable']
  await promisify(execFile)(
    program,
    [...words, ...reproducible, ...nodeFlags, join(out, 'start.cjs'), names.join(','), '--version'],
    {
      env: { KEYMOUNT_WRITE_CODE_CACHE: writes },
    },
  )
}
