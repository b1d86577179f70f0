import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'

/**
 * Entry point of the image: `start.cjs NAME …` runs the bundle NAME.cjs that lies beside it, from its compiled code in
 * NAME.cjs.cache where that fits this Node (V8 checks version, flags and source; otherwise it compiles as usual).
 * With KEYMOUNT_WRITE_CODE_CACHE=1 it runs several (`start.cjs NAME,NAME …`) one after the other and writes the code that each
 * has compiled; the image build does.
 */
const [name = '', ...args] = process.argv.slice(2)
if (process.env.KEYMOUNT_WRITE_CODE_CACHE === '1') for (const each of name.split(',')) writeCode(each, args)
else run(name, args)

function writeCode(of: string, words: readonly string[]): void {
  const script = run(of, words)
  if (script !== undefined) writeFileSync(`${fileOf(of)}.cache`, script.createCachedData())
}

function fileOf(of: string): string {
  return join(import.meta.dirname, `${of}.cjs`)
}

function run(of: string, words: readonly string[]): Script | undefined {
  const file = fileOf(of)
  const script = compile(of, file)
  if (script === undefined) {
    process.stderr.write(
      `keymount: no program "${of}" in this image; the first argument is driver, provider, node, controller, proxy, proxy-init, sync, operator, notify, env-file, mic, nmi, install-check or uninstall-check\n`,
    )
    process.exitCode = 2
    return undefined
  }
  // The program finds the command line it would have if it had been started by itself.
  process.argv.splice(1, process.argv.length, file, ...words)
  const module_ = { exports: {} }
  script.runInThisContext().call(module_.exports, module_.exports, createRequire(file), module_, file, dirname(file))
  staySmall()
  return script
}

/** In a function of its own, so that what was read can be collected. Latin-1, because the bundles are ASCII: one byte per character. */
function compile(of: string, file: string): Script | undefined {
  const source = /^[a-z-]+$/.test(of) ? readOptional(file) : undefined
  if (source === undefined) return undefined
  const cachedData = readOptional(`${file}.cache`)
  const code = `(function (exports, require, module, __filename, __dirname) {${source.toString('latin1')}\n})`
  return new Script(code, { filename: `${of}.cjs`, ...(cachedData === undefined ? {} : { cachedData }) })
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
 * Work leaves garbage, and V8 lets an idle process keep it. So we look now and then whether the heap has grown since the last
 * collection, and if it has, collect thoroughly: some 30 ms of CPU, which give 5 MiB back after the start and 10 after a
 * hundred mounts. The heap and not the process, because malloc may keep for a while what a collection has freed.
 */
function staySmall(): void {
  let smallest = 0
  let again = false
  const used = () => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const look = () => {
    const grown = used() >= smallest + mebibyte
    if (!grown && !again) return
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    smallest = used()
    // What calls that were under way still held is garbage by the next check.
    again = grown
  }
  setTimeout(look, 2000).unref()
  setInterval(look, 15_000).unref()
}
