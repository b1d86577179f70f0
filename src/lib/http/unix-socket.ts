import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { errorCode } from '#lib'
import { ListenError } from './listen-error.ts'

/**
 * Prepares `path` for a server and calls `bind`: the directory is created (0700 if it was missing), the socket file of a
 * process that has ended is removed, and the new socket has mode 0700 from its first moment on.
 *
 * Rejects with {@link ListenError}: `ENAMETOOLONG`, `ENOTSOCK` for anything else at `path`, `EADDRINUSE` when a server answers there.
 */
export async function listenUnix<T>(path: string, bind: (path: string) => Promise<T>): Promise<T> {
  refuseLongPath(path)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  await removeStaleSocket(path)
  // bind(2) takes the mode from the umask; without it the socket would be open to others until chmod.
  const before = process.umask(0o077)
  try {
    const bound = bind(path)
    const result = await bound
    chmodSync(path, 0o700)
    return result
  } finally {
    process.umask(before)
  }
}

/** sun_path has 108 bytes with its terminator: unix(7). The system's own error names neither path nor limit. */
function refuseLongPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= 107) return
  const reason = `a socket's path may have at most 107 bytes, this one has ${bytes}; use a shorter directory`
  throw new ListenError('ENAMETOOLONG', `cannot listen on ${path}: ${reason}`)
}

async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) {
    throw new ListenError('ENOTSOCK', `cannot listen on ${path}: there is a file that is not a socket; remove it`)
  }
  if (await answers(path)) {
    throw new ListenError('EADDRINUSE', `cannot listen on ${path}: another process answers on this socket`)
  }
  rmSync(path, { force: true })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      const code = errorCode(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false)
      else reject(error)
    })
  })
}
