import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'

/**
 * Entry point of the image: `start.cjs NAME …` runs the bundle NAME.cjs that lies beside it, from its compiled code in
 * NAME.cjs.cache where that fits this Node (V8 checks version, flags and source; otherwise it compiles as usual).
 * With KEYMOUNT_WRITE_CODE_CACHE=1 it writes that file when the process ends; the image build does.
 */
run(process.argv[2] ?? '')

function run(name: string): void {
  const file = join(import.meta.dirname, `${name}.cjs`)
  const script = compile(name, file)
  if (script === undefined) {
    process.stderr.write(`keymount: no program "${name}" in this image; the first argument is driver or provider\n`)
    process.exitCode = 2
    return
  }
  if (process.env['KEYMOUNT_WRITE_CODE_CACHE'] === '1') {
    process.on('exit', () => writeFileSync(`${file}.cache`, script.createCachedData()))
  }
  // The program finds the command line it would have if it had been started by itself.
  process.argv.splice(1, 2, file)
  const module_ = { exports: {} }
  script.runInThisContext().call(module_.exports, module_.exports, createRequire(file), module_, file, dirname(file))
  handBackMemory()
}

/** In a function of its own, so that what was read can be collected. Latin-1, because the bundles are ASCII: one byte per character. */
function compile(name: string, file: string): Script | undefined {
  const source = /^[a-z-]+$/.test(name) ? readOptional(file) : undefined
  if (source === undefined) return undefined
  const cachedData = readOptional(`${file}.cache`)
  const code = `(function (exports, require, module, __filename, __dirname) {${source.toString('latin1')}\n})`
  return new Script(code, { filename: `${name}.cjs`, ...(cachedData === undefined ? {} : { cachedData }) })
}

function readOptional(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

/** Starting leaves garbage that V8 would keep in an idle process: one thorough collection gives 3 MiB back to the node. */
function handBackMemory(): void {
  setTimeout(() => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }), 2000).unref()
}
