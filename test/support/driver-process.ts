import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { NodeClient } from '#kubernetes/csi'
import { eventually } from './eventually.ts'
import { memoryMib } from './process-memory.ts'

export interface DriverProcess {
  readonly pid: number
  readonly node: NodeClient
  readonly endpoint: string
  /** What it wrote to standard error. */
  output(): string
  /** `kill -9`, then waits for its end. */
  kill(): Promise<void>
  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number | null>
  /** Memory in MiB: the proportional set size, and what of it is the process's alone (Node's own pages are shared by all who run it). */
  memory(): { pss: number; anonymous: number }
  /** CPU time so far in milliseconds. */
  cpu(): number
}

export interface DriverProcessOptions {
  /** Holds `csi`, `providers` and whatever else the driver is pointed to. */
  root: string
  kubeconfig: string
  flags?: readonly string[]
  /** Program and first arguments. Default: this Node with src/bin/driver.ts. */
  command?: readonly string[]
  /** Words before it, of a program that runs it in surroundings of its own. */
  within?: readonly string[] | undefined
}

/** Starts the driver as its image does, as a process; resolves when its socket answers. */
export async function startDriverProcess(options: DriverProcessOptions): Promise<DriverProcess> {
  const { root, kubeconfig, within = [], flags = [] } = options
  const program = join(import.meta.dirname, '../../src/bin/driver.ts')
  const command = options.command ?? [process.execPath, '--disable-warning=ExperimentalWarning', program]
  const [file = '', ...first] = [...within, ...command]
  const socket = join(root, 'csi', 'csi.sock')
  const child = spawn(
    file,
    [
      ...first,
      `--endpoint=unix://${socket}`,
      '--nodeid=node-1',
      `--provider-volume=${join(root, 'providers')}`,
      '--additional-provider-volume-paths=',
      '--registration-dir=',
      '--metrics-addr=',
      '--health-addr=',
      `--kubeconfig=${kubeconfig}`,
      ...flags,
    ],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  )
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  const node = new NodeClient(`unix:${socket}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' })
  await eventually(() => {
    if (child.exitCode !== null) throw new Error(`the driver ended: ${text}`)
    if (!text.includes('driver started')) throw new Error(`the driver has not started: ${text}`)
  })
  return {
    pid: child.pid ?? 0,
    node,
    endpoint: `unix://${socket}`,
    output: () => text,
    async kill() {
      node.close()
      child.kill('SIGKILL')
      await ended
    },
    async stop() {
      node.close()
      child.kill('SIGTERM')
      return ended
    },
    memory: () => memoryMib(child.pid ?? 0),
    cpu: () => cpuMs(child),
  }
}

/** utime and stime of /proc/PID/stat, in ticks of 10 ms. */
function cpuMs({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}
