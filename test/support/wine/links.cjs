// Wine 8 makes no symbolic links (CreateSymbolicLink does nothing and reports success), and takes those of the Linux below for
// what they lead to. Loaded with `node --require`, this gives Node the links of the Linux below: the calls that Keymount uses for links
// run ln, mv and rm there, and which paths are links is kept in a file, for the next process.
const fs = require('node:fs')
const { spawnSync } = require('node:child_process')
const { syncBuiltinESMExports } = require('node:module')
const { basename, dirname, resolve } = require('node:path')

const { KEYMOUNT_TEST_LINKS: file, KEYMOUNT_TEST_DRIVE: drive } = process.env
const real = { ...fs }
const links = new Map(real.existsSync(file) ? JSON.parse(real.readFileSync(file, 'utf8')) : [])
const save = () => real.writeFileSync(file, JSON.stringify([...links]))
const key = (path) => resolve(String(path)).toLowerCase()
const unix = (path) => drive + resolve(String(path)).slice(2).replaceAll('\\', '/')

const isThere = (path) => real.readdirSync(dirname(resolve(String(path)))).includes(basename(String(path)))

/** Runs a program of Linux until its effect is seen: on a busy machine Wine sometimes returns before the program ends, or starts none. */
function run(isDone, program, ...args) {
  const start = 'C:\\windows\\system32\\start.exe'
  for (let i = 0; i < 100; i++) {
    if (i % 25 === 0) spawnSync(start, ['/wait', '/unix', program, ...args], { stdio: 'ignore' })
    if (isDone()) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  }
  throw Object.assign(new Error(`${program} ${args.join(' ')} had no effect`), { code: 'EIO' })
}

fs.symlinkSync = (target, path) => {
  if (links.has(key(path)) || real.existsSync(path))
    throw Object.assign(new Error(`EEXIST: ${path}`), { code: 'EEXIST' })
  run(() => isThere(path), '/bin/ln', '-sT', String(target).replaceAll('\\', '/'), unix(path))
  links.set(key(path), String(target).replaceAll('/', '\\'))
  save()
}

fs.readlinkSync = (path, ...rest) => links.get(key(path)) ?? real.readlinkSync(path, ...rest)

fs.lstatSync = (path, ...rest) => {
  if (!links.has(key(path))) return real.lstatSync(path, ...rest)
  const stat = real.lstatSync(path, ...rest) ?? {}
  return Object.assign(Object.create(stat), {
    isSymbolicLink: () => true,
    isDirectory: () => false,
    isFile: () => false,
  })
}

fs.renameSync = (from, to) => {
  if (!links.has(key(from))) return real.renameSync(from, to)
  // As Windows does: no rename over a link to a directory.
  if (links.has(key(to))) throw Object.assign(new Error(`EPERM: ${to}`), { code: 'EPERM' })
  run(() => isThere(to) && !isThere(from), '/bin/mv', '-T', unix(from), unix(to))
  links.set(key(to), links.get(key(from)))
  links.delete(key(from))
  save()
}

fs.rmSync = (path, ...rest) => {
  if (!links.has(key(path))) return real.rmSync(path, ...rest)
  run(() => !isThere(path), '/bin/rm', '-f', unix(path))
  links.delete(key(path))
  save()
}

syncBuiltinESMExports()
