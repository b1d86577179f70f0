import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { basename } from 'node:path'
import { errorCode } from '#lib'
import { CliError } from '#terminal'

export interface WantedPort {
  listen: string
  port: number
  /** Who needs it: `the local Azure`. */
  owner: string
  /** The option that chooses another: `--azure-port`. */
  option: string
}

/** Throws {@link CliError} when the port cannot be listened on, naming the process that has it. 0 is always free. */
export async function assertPortFree({ listen, port, owner, option }: WantedPort): Promise<void> {
  if (port === 0) return
  const server = createServer()
  server.listen({ host: listen, port, exclusive: true })
  try {
    await once(server, 'listening')
  } catch (cause) {
    const code = errorCode(cause)
    const reasons: Record<string, string> = {
      EADDRINUSE: `port ${port} on ${listen} is in use${listener(port)}`,
      EACCES: `port ${port} needs rights that this user does not have`,
      EADDRNOTAVAIL: `${listen} is no address of this machine`,
    }
    throw new CliError({
      what: `${owner.charAt(0).toUpperCase()}${owner.slice(1)} cannot listen on ${listen}:${port}`,
      why: reasons[code ?? ''] ?? String(cause),
      fix:
        code === 'EADDRNOTAVAIL'
          ? ['name an address of this machine: --listen ADDRESS']
          : [`choose another port: ${option} PORT`, 'or let the lab take free ports: --ports free'],
      cause,
    })
  }
  server.close()
  await once(server, 'close')
}

/** Whether nobody listens on any of these ports of loopback now. */
export async function areFree(ports: readonly number[]): Promise<boolean> {
  const checks = ports.map((port) => assertPortFree({ listen: '127.0.0.1', port, owner: '', option: '' }))
  return (await Promise.allSettled(checks)).every(({ status }) => status === 'fulfilled')
}

/** Ports on loopback that nobody listens on now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen({ host: '127.0.0.1', port: 0 }))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** ` by process 1234 (nginx)` as far as this user may see it. proc(5), /proc/net/tcp */
function listener(port: number): string {
  const inode = listeningInode(port)
  if (inode === undefined) return ''
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const found = readdirSync(`/proc/${pid}/fd`).some(
        (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
      )
      if (found) return ` by process ${pid} (${programOf(pid)})`
    } catch {
      // Not ours to look into, or gone meanwhile.
    }
  }
  return ' by another user’s process'
}

/** Not /proc/PID/comm, which is a name that threads give themselves. */
function programOf(pid: string): string {
  return basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '')
}

function listeningInode(port: number): string | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const listening = '0A'
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((path) => readFileSync(path, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .find((words) => words[1]?.endsWith(`:${hexPort}`) === true && words[3] === listening)?.[9]
}
