import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { connect } from 'node:net'
import type { Container, Probe } from '../../kube/index.ts'
import { type Clock, errorMessage, sleep } from '../../lib/index.ts'

/** What a probe finds: nothing when all is well, else why not. */
export type ProbeOutcome = undefined | string

export interface ProbeTarget {
  container: Container
  podIP: string
  /** Runs a command in the container; gives its status and output. */
  run(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }>
}

export interface ProbeHandlers {
  /** The verdict changed: enough results in a row agree. `stop` ends the probe. */
  onVerdict(healthy: boolean): 'stop' | 'continue'
  /** One result was bad. */
  onFailure(reason: string): void
}

/** Repeats a probe until the signal aborts (then it rejects) or its verdict ends it. Thresholds and defaults as in Kubernetes. */
export async function runProbe(
  probe: Probe,
  target: ProbeTarget,
  { onVerdict, onFailure }: ProbeHandlers,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3, successThreshold = 1 } = probe
  let verdict: boolean | undefined
  let inARow = 0
  let last: boolean | undefined
  await sleep(initialDelaySeconds * 1000, { clock, signal })
  while (!signal.aborted) {
    const failure = await probeOnce(probe, target, signal)
    if (signal.aborted) return
    const healthy = failure === undefined
    if (failure !== undefined) onFailure(failure)
    inARow = healthy === last ? inARow + 1 : 1
    last = healthy
    if (verdict !== healthy && inARow >= (healthy ? successThreshold : failureThreshold)) {
      verdict = healthy
      if (onVerdict(healthy) === 'stop') return
    }
    await sleep(periodSeconds * 1000, { clock, signal })
  }
}

async function probeOnce(probe: Probe, target: ProbeTarget, ended: AbortSignal): Promise<ProbeOutcome> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000
  const signal = AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)])
  const { httpGet, tcpSocket, exec } = probe
  try {
    if (httpGet !== undefined) {
      const { path = '/', scheme = 'HTTP', host = target.podIP, port } = httpGet
      const url = `${scheme.toLowerCase()}://${host}:${portNumber(target.container, port)}${path}`
      const status = await statusOf(url, signal)
      return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`
    }
    if (tcpSocket !== undefined) {
      await connects(tcpSocket.host ?? target.podIP, portNumber(target.container, tcpSocket.port), signal)
      return undefined
    }
    const { code, output } = await target.run(exec?.command ?? [], signal)
    return code === 0 ? undefined : output.trim() || `command ended with status ${code}`
  } catch (error) {
    return signal.aborted ? `no answer within ${timeoutMs / 1000} s` : errorMessage(error)
  }
}

function portNumber({ ports = [] }: Container, port: number | string): number {
  return typeof port === 'number' ? port : (ports.find(({ name }) => name === port)?.containerPort ?? Number(port))
}

function statusOf(url: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    // Like kubelet, which probes pods whose certificate it cannot know.
    const options = { signal, agent: false, rejectUnauthorized: false, headers: { 'user-agent': 'kube-probe/1.34' } }
    const sent = (url.startsWith('https:') ? secureRequest : request)(url, options, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
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
