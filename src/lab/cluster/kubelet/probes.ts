import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Container, Probe } from '#kubernetes/client'
import { type Clock, errorMessage, sleep } from '#lib'

export interface ProbeTarget {
  container: Container
  podIP: string
  /** Opens a connection to the pod. Default: in the network of this process. */
  connect?: ((host: string, port: number) => Promise<Socket>) | undefined
  /** Runs a command in the container; gives its status and output. */
  run(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }>
}

export interface HealthHandlers {
  /** The startup probe, if there is one, has succeeded. */
  onStarted(): void
  onReady(ready: boolean): void
  /** One result of a probe (`Startup`, `Readiness`, `Liveness`) was bad. */
  onFailure(probe: string, reason: string): void
  /** The container has to be restarted because of a probe (`startup`, `liveness`). */
  onUnhealthy(probe: string): void
}

interface Timing {
  clock: Clock
  signal: AbortSignal
}

/** Runs the probes of a container until the signal aborts; then it rejects. */
export async function watchHealth(target: ProbeTarget, handlers: HealthHandlers, timing: Timing): Promise<void> {
  const { startupProbe, readinessProbe, livenessProbe } = target.container
  const { onStarted, onReady, onFailure, onUnhealthy } = handlers
  if (startupProbe !== undefined) {
    const { value: healthy } = await verdicts(startupProbe, target, (why) => onFailure('Startup', why), timing).next()
    if (healthy !== true) return onUnhealthy('startup')
    onStarted()
  }
  const readiness = async (probe: Probe) => {
    for await (const healthy of verdicts(probe, target, (why) => onFailure('Readiness', why), timing)) onReady(healthy)
  }
  const liveness = async (probe: Probe) => {
    for await (const healthy of verdicts(probe, target, (why) => onFailure('Liveness', why), timing)) {
      if (!healthy) return onUnhealthy('liveness')
    }
  }
  await Promise.all([readinessProbe && readiness(readinessProbe), livenessProbe && liveness(livenessProbe)])
}

/** Repeats a probe and gives its verdict whenever it changes. Thresholds and defaults as in Kubernetes. */
async function* verdicts(
  probe: Probe,
  target: ProbeTarget,
  onFailure: (reason: string) => void,
  { clock, signal }: Timing,
): AsyncGenerator<boolean> {
  const { initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3, successThreshold = 1 } = probe
  let verdict: boolean | undefined
  let inARow = 0
  let last: boolean | undefined
  await sleep(initialDelaySeconds * 1000, { clock, signal })
  for (;;) {
    const failure = await probeOnce(probe, target, signal)
    signal.throwIfAborted()
    const healthy = failure === undefined
    if (failure !== undefined) onFailure(failure)
    inARow = healthy === last ? inARow + 1 : 1
    last = healthy
    if (verdict !== healthy && inARow >= (healthy ? successThreshold : failureThreshold)) {
      verdict = healthy
      yield healthy
    }
    await sleep(periodSeconds * 1000, { clock, signal })
  }
}

/** Nothing when all is well, else why not. */
async function probeOnce(probe: Probe, target: ProbeTarget, ended: AbortSignal): Promise<string | undefined> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000
  const signal = AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)])
  const { httpGet, tcpSocket, exec } = probe
  try {
    if (httpGet !== undefined) {
      const { path = '/', scheme = 'HTTP', host = target.podIP, port } = httpGet
      const url = `${scheme.toLowerCase()}://${host}:${portNumber(target.container, port)}${path}`
      const status = await statusOf(url, target.connect, signal)
      return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`
    }
    if (tcpSocket !== undefined) {
      const [host, port] = [tcpSocket.host ?? target.podIP, portNumber(target.container, tcpSocket.port)]
      if (target.connect === undefined) await connects(host, port, signal)
      else (await unlessAborted(target.connect(host, port), signal)).destroy()
      return undefined
    }
    if (exec?.command === undefined) return 'probes of this kind are not supported by the local cluster'
    const { code, output } = await target.run(exec.command, signal)
    return code === 0 ? undefined : output.trim() || `command ended with status ${code}`
  } catch (error) {
    return signal.aborted ? `no answer within ${timeoutMs / 1000} s` : errorMessage(error)
  }
}

function portNumber({ ports = [] }: Container, port: number | string): number {
  return typeof port === 'number' ? port : (ports.find(({ name }) => name === port)?.containerPort ?? Number(port))
}

async function statusOf(url: string, open: ProbeTarget['connect'], signal: AbortSignal): Promise<number> {
  const secure = url.startsWith('https:')
  // Like kubelet, which probes pods whose certificate it cannot know.
  const options = { signal, rejectUnauthorized: false, headers: { 'user-agent': 'kube-probe/1.34' } }
  const connection = open === undefined ? { agent: false as const } : await connectionTo(new URL(url), open, signal)
  return new Promise((resolve, reject) => {
    const sent = (secure ? secureRequest : request)(url, { ...options, ...connection }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** A connection to a pod with a network of its own, as options of a request. */
async function connectionTo(
  { protocol, hostname, port }: URL,
  open: NonNullable<ProbeTarget['connect']>,
  signal: AbortSignal,
): Promise<{ createConnection(): Socket }> {
  const isSecure = protocol === 'https:'
  const socket = await unlessAborted(open(hostname, Number(port || (isSecure ? 443 : 80))), signal)
  return { createConnection: () => (isSecure ? connectTls({ socket, rejectUnauthorized: false }) : socket) }
}

/** The connection, unless the signal aborts first; then it is closed when it comes. */
function unlessAborted(opening: Promise<Socket>, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      opening.then((socket) => socket.destroy()).catch(() => undefined)
      reject(signal.reason)
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    opening.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject)
  })
}

function connects(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}
