import { packagePlaces } from '#daemon'

/** The `keymount` command. `keymount driver …` and the other daemons become that program at once. */
const daemons: Record<string, () => Promise<unknown>> = {
  driver: () => import('./driver.ts'),
  provider: () => import('./provider.ts'),
  node: () => import('./node.ts'),
  controller: () => import('./controller.ts'),
  proxy: () => import('./proxy.ts'),
  'proxy-init': () => import('./proxy-init.ts'),
  mic: () => import('./mic.ts'),
  nmi: () => import('./nmi.ts'),
  'local-azure': () => import('./local-azure.ts'),
  'local-cluster': () => import('./local-cluster.ts'),
}

// The reader of a pipe may leave before the end: `keymount status | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const daemon = daemons[process.argv[2] ?? '']
if (daemon !== undefined) {
  // The program finds the command line that it would have if it had been started by itself.
  process.argv.splice(2, 1)
  await daemon()
} else {
  const { runCli } = await import('#cli')
  process.exitCode = await runCli(worldOf(process.env))
}

function worldOf(env: NodeJS.ProcessEnv) {
  return {
    argv: process.argv.slice(2),
    env,
    // Loaded when a command asks: most of them do not talk to Azure.
    azureHttp: async () => (await import('#daemon')).azureHttp(env),
    stdout: process.stdout,
    stderr: process.stderr,
    ...packagePlaces(env),
    signal: stopSignal(),
  }
}

/** Aborts at the first SIGINT or SIGTERM; what runs then cleans up. The third one ends the process at once. */
function stopSignal(): AbortSignal {
  const abort = new AbortController()
  let count = 0
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // A Ctrl-C comes twice: from the terminal, and handed on by the starter of this process.
      count++
      if (count > 3) process.exit(130)
      abort.abort(new Error(`stopped by ${name}`))
    })
  }
  return abort.signal
}
