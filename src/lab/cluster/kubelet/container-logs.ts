import { existsSync, mkdirSync, watch } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContainerLogOptions } from '../node-runtime.ts'

const chunkBytes = 64 * 1024
const newline = 0x0a

/** File with the output of one run of a container; `run` counts restarts. Makes its directory. */
export function logFile(directory: string, container: string, run: number): string {
  const parent = join(directory, container)
  mkdirSync(parent, { recursive: true, mode: 0o750 })
  return join(parent, `${run}.log`)
}

/**
 * Reads a log from its end or beginning; with `follow` until the container has ended (`ended`) or the reader went away.
 */
export async function* readLog(
  path: string,
  { follow, tailLines, signal }: Pick<ContainerLogOptions, 'follow' | 'tailLines' | 'signal'>,
  ended: Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  if (!existsSync(path)) return
  const file = await open(path)
  const changes = follow ? watchFile(path, ended, signal) : undefined
  try {
    let position = tailLines === undefined ? 0 : await tailStart(file, tailLines)
    for (;;) {
      const last = changes === undefined || changes.over()
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position)
        if (bytesRead === 0 || signal.aborted) break
        position += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
      if (last || signal.aborted) return
      await changes.next()
    }
  } finally {
    changes?.close()
    await file.close()
  }
}

function watchFile(path: string, ended: Promise<unknown>, signal: AbortSignal) {
  let over = false
  let changed = false
  let wake = () => {}
  const notify = () => {
    changed = true
    wake()
  }
  const end = () => {
    over = true
    notify()
  }
  const watcher = watch(path, notify)
  ended.then(end, end)
  signal.addEventListener('abort', end, { once: true })
  return {
    over: () => over,
    async next() {
      if (!changed && !over) await new Promise<void>((resolve) => (wake = resolve))
      changed = false
    },
    close() {
      watcher.close()
      signal.removeEventListener('abort', end)
    },
  }
}

/** Where the last `lines` lines begin. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat()
  if (lines === 0) return size
  let wanted = lines
  for (let end = size; end > 0; end -= Math.min(end, chunkBytes)) {
    const start = Math.max(0, end - chunkBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    for (let index = bytesRead - 1; index >= 0; index--) {
      // The newline at the very end closes the last line and begins no other.
      if (buffer[index] !== newline || start + index === size - 1) continue
      if (--wanted === 0) return start + index + 1
    }
  }
  return 0
}
