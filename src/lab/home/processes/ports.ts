import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename } from 'node:path'
import { orUndefined } from '#lib'
import { ListenError, listen as listenOn } from '#lib/http'
import { CliError } from '#terminal'

const loopback = '127.0.0.1'

export interface WantedPort {
  listen: string
  port: number
  /** What needs it: `the local Azure`. */
  owner: string
  /** The option that chooses another: `--azure-port`. */
  option: string
}

/** Throws {@link CliError} if nothing can listen on the port; the error names the process that does. 0 is always free. */
export async function assertPortFree({ listen, port, owner, option }: WantedPort): Promise<void> {
  if (port === 0) return
  try {
    const listening = await listenOn(createServer(), { host: listen, port })
    await listening.stop()
  } catch (cause) {
    if (!(cause instanceof ListenError)) throw cause
    throw new CliError({
      what: `${owner.charAt(0).toUpperCase()}${owner.slice(1)} cannot start`,
      why: `${cause.message}${cause.code === 'EADDRINUSE' ? listener(port) : ''}`,
      fix:
        cause.code === 'EADDRNOTAVAIL'
          ? ['name an address of this machine: --listen ADDRESS']
          : [`choose another port: ${option} PORT`, 'or let the lab take free ports: --ports free'],
      cause,
    })
  }
}

/** Whether all of these ports of loopback are free now. */
export async function areFree(ports: readonly number[]): Promise<boolean> {
  const answers = await Promise.all(ports.map((port) => isFree(port, loopback)))
  return answers.every((free) => free)
}

async function isFree(port: number, listen: string): Promise<boolean> {
  try {
    await assertPortFree({ listen, port, owner: '', option: '' })
    return true
  } catch {
    return false
  }
}

/** The given port, or a free one for 0. */
export async function concretePort(port: number, listen = loopback): Promise<number> {
  return port === 0 ? ((await freePorts(1, listen))[0] ?? 0) : port
}

/** Below are the ports of well-known services. */
const firstPort = 10_000
const lastPort = 65_535

/**
 * Free ports, all different. The lab uses them again after `down`, so they are outside the range that the kernel uses for
 * outgoing connections, which any program of the machine could have by then.
 */
export async function freePorts(count: number, listen = loopback): Promise<number[]> {
  const { first, last } = ephemeralRange()
  const found = new Set<number>()
  while (found.size < count) {
    const port = randomInt(firstPort, lastPort + 1)
    if ((port < first || port > last) && (await isFree(port, listen))) found.add(port)
  }
  return [...found]
}

/** Where the kernel takes ports for outgoing connections from; empty where that leaves too few others. ip(7) */
function ephemeralRange(): { first: number; last: number } {
  const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number)
  const others = Math.max(first - firstPort, 0) + Math.max(lastPort - last, 0)
  return others < 1000 ? { first: 0, last: 0 } : { first, last }
}

/** ` by process 1234 (nginx)`, as far as this user may read it. proc(5), /proc/net/tcp */
function listener(port: number): string {
  const inode = listeningInode(port)
  if (inode === undefined) return ''
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (openFiles(pid).includes(`socket:[${inode}]`)) return ` by process ${pid} (${programOf(pid)})`
  }
  return ' by a process of another user'
}

/** What the descriptors of a process lead to; none if this user may not read them, or it has ended. */
function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => targetOf(`/proc/${pid}/fd/${fd}`) ?? [])
  } catch {
    return []
  }
}

/** Undefined for a descriptor that was closed since it was listed, as the one is by which this process lists its own. */
function targetOf(link: string): string | undefined {
  return orUndefined(() => readlinkSync(link))
}

/** Not /proc/PID/comm, which is a name that threads give themselves. */
function programOf(pid: string): string {
  try {
    return basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '')
  } catch {
    return 'ended meanwhile'
  }
}

function listeningInode(port: number): string | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const listening = '0A'
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((path) => readFileSync(path, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .find((words) => words[1]?.endsWith(`:${hexPort}`) === true && words[3] === listening)?.[9]
}
