import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packagePlaces } from '#packaging/places'

/**
 * The `keymount` command. `keymount driver …` and the other daemons, whose programs are beside this one, become that program
 * at once: their flags, and so their help, are their own. Everything is loaded when it is needed.
 */
const words = process.argv.slice(2)
if (words[0] === 'help' && isDaemon(words[1])) words.splice(0, 2, words[1] ?? '', '--help')
const [word] = words

// The reader of a pipe may end first: `keymount status | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

// As where bin/run.mjs starts another Node: the users of a command can do nothing about a warning of Node about itself.
const printWarning = process.listeners('warning')
process.removeAllListeners('warning')
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') for (const print of printWarning) print(warning)
})

if (isDaemon(word)) {
  // The program finds the command line that it would have if it had been started by itself.
  process.argv.splice(2, process.argv.length, ...words.slice(1))
  await import(`./${word}.ts`)
} else {
  // Timers of a `Clock` do not keep a process alive: a command that only waited would end without its result.
  const signal = stopSignal()
  const alive = setInterval(() => {}, 2 ** 31 - 1)
  try {
    const { runCli } = await import('#cli')
    process.exitCode = await runCli({
      argv: words,
      env: process.env,
      azureHttp: async () => (await import('#daemon')).azureHttp(process.env),
      stdout: process.stdout,
      stderr: process.stderr,
      ...packagePlaces(process.env),
      signal,
    })
    // A connection that its proxy never answers is not closed with its request, and would keep the process until it is.
    if (signal.aborted) process.exit()
  } finally {
    clearInterval(alive)
  }
}

/** Whether this is both a command and a program of this folder. */
function isDaemon(name = ''): boolean {
  if (!/^[a-z-]+$/.test(name)) return false
  return ['.', '../cli/commands'].every((folder) => existsSync(join(import.meta.dirname, folder, `${name}.ts`)))
}

/** Aborts at the first SIGINT or SIGTERM, so that what is running can clean up. The fourth one ends the process at once. */
function stopSignal(): AbortSignal {
  const abort = new AbortController()
  let count = 0
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // A Ctrl-C may come twice: from the terminal, and passed on by the process that started this one.
      count++
      if (count > 3) process.exit(130)
      abort.abort(new Error(`stopped by ${name}`))
    })
  }
  return abort.signal
}
