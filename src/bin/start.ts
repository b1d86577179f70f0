import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'

/**
 * Entry point of the image: `start.cjs NAME …` runs the bundle NAME.cjs that lies beside it, and packages from
 * `node_modules`, each from its compiled code in FILE.cache where that fits this Node (V8 checks version, flags and source;
 * otherwise it compiles as usual).
 * With KEYMOUNT_WRITE_CODE_CACHE=programs it runs several (`start.cjs NAME,NAME …`) one after the other and writes the code
 * that each has compiled, with `all` also that of the packages; the image build does.
 */
const [name = '', ...args] = process.argv.slice(2)
const writes = process.env.KEYMOUNT_WRITE_CODE_CACHE
const loaded = new Map<string, Loaded>()

if (writes === undefined) {
  if (run(name, args)) staySmall()
} else {
  for (const each of name.split(',')) {
    const before = new Set(loaded.keys())
    run(each, args)
    for (const [file, { script }] of loaded) if (!before.has(file)) writeCode(file, script)
  }
}

/** At once: a garbage collection may drop code that has not run for a while, and its moment depends on where the files are. */
function writeCode(file: string, script: Script): void {
  const isProgram = file.endsWith('.cjs')
  if (isProgram || writes === 'all') writeFileSync(`${pathOf(file)}.cache`, script.createCachedData())
}

interface Loaded {
  script: Script
  exports: unknown
}

function pathOf(file: string): string {
  return join(import.meta.dirname, file)
}

/** Whether there is such a program. */
function run(program: string, words: readonly string[]): boolean {
  const file = `${program}.cjs`
  // The program finds the command line it would have if it had been started by itself.
  const began = process.argv
  process.argv = [...began.slice(0, 1), pathOf(file), ...words]
  if (/^[a-z-]+$/.test(program) && load(file) !== undefined) return true
  process.argv = began
  process.stderr.write(
    `keymount: no program "${program}" in this image; the first argument is driver, provider, node, controller, proxy, proxy-init, sync, operator, notify, env-file, mic, nmi, install-check or uninstall-check\n`,
  )
  process.exitCode = 2
  return false
}

/** Runs a CommonJS file that is named from here, the first time. `undefined` if there is no such file. */
function load(file: string): Loaded | undefined {
  const known = loaded.get(file)
  if (known !== undefined) return known
  const script = compile(file)
  if (script === undefined) return undefined
  const module_ = { exports: {} }
  const entry = { script, exports: module_.exports }
  loaded.set(file, entry)
  const path = pathOf(file)
  try {
    script.runInThisContext().call(module_.exports, module_.exports, requireOf(path), module_, path, dirname(path))
  } catch (error) {
    loaded.delete(file)
    throw error
  }
  entry.exports = module_.exports
  return entry
}

/** What a file finds as `require`: packages that lie beside the programs, and all else as Node finds it. */
function requireOf(path: string): NodeJS.Require {
  const require = createRequire(path)
  const isOfNode = (id: string) => isBuiltin(id) || id.startsWith('.') || isAbsolute(id)
  const own = (id: string) => (isOfNode(id) ? undefined : load(`node_modules/${id}.js`))
  return Object.assign((id: string) => own(id)?.exports ?? require(id), require)
}

/**
 * In a function of its own, so that what was read can be collected. Latin-1, because the bundles are ASCII: one byte per
 * character. The compiled code holds the name, so it is not a part of the path, which V8 would hold with it.
 */
function compile(file: string): Script | undefined {
  const source = readOptional(pathOf(file))
  if (source === undefined) return undefined
  const cachedData = writes === undefined ? readOptional(`${pathOf(file)}.cache`) : undefined
  const code = `(function (exports, require, module, __filename, __dirname) {${source.toString('latin1')}\n})`
  return new Script(code, { filename: file, ...(cachedData === undefined ? {} : { cachedData }) })
}

function readOptional(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

const mebibyte = 1024 * 1024

/**
 * Work leaves garbage, and V8 lets an idle process keep it. So each 15 s it is checked whether the heap has grown since the last
 * collection, and if it has, it is collected thoroughly: some 30 ms of CPU, which give 5 MiB back after the start and 10 after a
 * hundred mounts. The heap and not the process, because malloc may keep for a while what a collection has freed; its pages and
 * not what is in them, because V8 keeps pages that it has emptied by itself.
 * Not while requests arrive one after the other: they would wait for it, and V8 collects by itself then.
 */
function staySmall(): void {
  let smallest = 0
  let again = false
  let before = performance.eventLoopUtilization()
  const size = () => {
    const { heapTotal, external } = process.memoryUsage()
    return heapTotal + external
  }
  const check = () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    const grown = size() >= smallest + mebibyte
    if (utilization > 0.5 || (!grown && !again)) return
    // The compiled code of the start leaves holes of 1 MiB.
    setFlagsFromString('--compact-on-every-full-gc')
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    setFlagsFromString('--no-compact-on-every-full-gc')
    smallest = size()
    // What calls that were under way still held is garbage by the next check.
    again = grown
  }
  setTimeout(check, 2000).unref()
  setInterval(check, 15_000).unref()
}
