import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'

/**
 * Entry point of the image: `start.cjs NAME …` runs the bundle NAME.cjs that lies beside it, from its compiled code in
 * NAME.cjs.cache where that fits this Node (V8 checks version, flags and source; otherwise it compiles as usual).
 * With KEYMOUNT_WRITE_CODE_CACHE=1 it writes that file when the process ends; the image build does.
 */
const name = process.argv[2] ?? ''
const file = join(import.meta.dirname, `${name}.cjs`)
const cacheFile = `${file}.cache`

const source = readOptional(/^[a-z-]+$/.test(name) ? file : undefined)
if (source === undefined) {
  process.stderr.write(`keymount: no program "${name}" in this image; the first argument is driver or provider\n`)
  process.exit(2)
}

const cachedData = readOptional(cacheFile)
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${source.toString('utf8')}\n})`,
  { filename: `${name}.cjs`, ...(cachedData === undefined ? {} : { cachedData }) },
)
if (process.env['KEYMOUNT_WRITE_CODE_CACHE'] === '1') {
  process.on('exit', () => writeFileSync(cacheFile, script.createCachedData()))
}
// The program finds the command line it would have if it had been started by itself.
process.argv.splice(1, 2, file)
const module_ = { exports: {} }
script.runInThisContext().call(module_.exports, module_.exports, createRequire(file), module_, file, dirname(file))

function readOptional(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}
