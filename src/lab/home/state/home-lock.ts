import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { errorCode } from '#lib'
import { poll } from '#lib/async'
import { CliError } from '#terminal'
import type { LabHome } from './lab-home.ts'

/**
 * Runs `work` while no other `up` or `down` works on the same home; waits up to `waitMs` (default 60,000) for its turn.
 *
 * The lock is a socket in the abstract namespace (unix(7)), named after the home. The kernel closes it together with the
 * process that holds it, so a lock is never stale.
 */
export async function withHomeLock<T>(home: LabHome, work: () => Promise<T>, waitMs = 60_000): Promise<T> {
  const name = `\0keymount:${home.root}`
  const late = async () => {
    throw new CliError({
      what: `The lab in ${home.root} is busy`,
      why: `${await holder(name)} has been changing it for more than ${waitMs / 1000} s`,
      fix: ['wait until it ends, or stop it'],
    })
  }
  const lock = await poll<Server>(() => tryListen(name), { everyMs: 50, withinMs: waitMs, late })
  try {
    return await work()
  } finally {
    lock.close()
  }
}

/** Holds the name until it is closed, and sends our process id to every client. Undefined if the name is taken. */
async function tryListen(name: string): Promise<Server | undefined> {
  const server = createServer((client) => client.end(String(process.pid)))
  server.listen(name)
  try {
    await once(server, 'listening')
    return server
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return undefined
    throw error
  }
}

async function holder(name: string): Promise<string> {
  try {
    const client = connect(name)
    let pid = ''
    for await (const chunk of client) pid += String(chunk)
    return `process ${pid}`
  } catch {
    return 'another process'
  }
}
