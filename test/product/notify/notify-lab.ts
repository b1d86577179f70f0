import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { writeFiles } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'

/** A volume in memory, as the driver's, whose files change at once. */
export interface TestVolume {
  directory: string
  rotate(content: string): void
  remove(): void
}

export function createVolume(): TestVolume {
  const directory = mkdtempSync(join('/dev/shm', 'keymount-notify-'))
  let turn = 0
  const rotate = (content: string) => {
    const files = [{ path: 'db', mode: 0o644, contents: SecretValue.of(content) }]
    // Directories are named after the time, to the nanosecond.
    writeFiles(directory, files, { now: new Date(Date.UTC(2026, 0, 1) + turn++) })
  }
  rotate('first')
  return { directory, rotate, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

/** An application with an endpoint to reload. */
export interface Reloadable {
  url: string
  /** Requests so far. */
  count: number
  status: number
  /** Resolves at the next request. */
  next(): Promise<void>
  close(): Promise<void>
}

export async function startReloadable(): Promise<Reloadable> {
  let waiting: (() => void)[] = []
  const server = createServer((_request, response) => {
    app.count++
    response.writeHead(app.status).end()
    for (const resolve of waiting) resolve()
    waiting = []
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const app: Reloadable = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/-/reload`,
    count: 0,
    status: 200,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return app
}
