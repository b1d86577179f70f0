import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { errorMessage } from '#lib'
import { parseJson } from '#lib/formats'
import type { ExecSession } from '../../node-runtime.ts'
import { badRequest } from '../api-error.ts'
import { numberAt } from '../api-object.ts'
import { type PodCall, refuseStopped, runtimeError, runtimeOf, targetOf } from './pod-target.ts'
import { isTrue } from './request-info.ts'

/** Channels of the protocol; each message begins with the byte of its channel. https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const
const protocol = 'v5.channel.k8s.io'

const webSockets = new WebSocketServer({
  noServer: true,
  // kubectl sends 32 KiB at a time.
  maxPayload: 4 * 1024 * 1024,
  handleProtocols: (offered) => (offered.has(protocol) ? protocol : false),
})

/** Runs a command in a container over a WebSocket. Throws before the upgrade when the request is wrong. */
export async function handleExec(call: PodCall, socket: Duplex, head: Buffer): Promise<void> {
  const { request, url, context } = call
  const { searchParams } = url
  const command = searchParams.getAll('command')
  if (command.length === 0) throw badRequest('you must specify at least 1 command')
  const { pod, target } = targetOf(call)
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  if (!offered.includes(protocol)) {
    // When a WebSocket is refused, kubectl repeats the request in its older protocol, and prints only what that is answered with.
    refuseStopped(pod, target)
    throw badRequest(`exec needs a WebSocket with the protocol ${protocol}; kubectl 1.31 and newer speak it`)
  }
  const runtime = runtimeOf(call, pod)
  const tty = isTrue(searchParams.get('tty') ?? 'false')
  const stdin = isTrue(searchParams.get('stdin') ?? 'false')
  const session = await runtime.exec(target, command, { tty, stdin }).catch((error) => {
    throw runtimeError(error)
  })
  const client = await upgrade(request, socket, head)
  const stop = () => client.terminate()
  context.signal.addEventListener('abort', stop)
  client.on('close', () => {
    context.signal.removeEventListener('abort', stop)
    session.kill()
  })
  client.on('error', stop)
  client.on('message', (data) => receive(session, client, data))
  session.stdin.on('drain', () => client.resume())
  await relay(session, client)
}

function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocket> {
  return new Promise((resolve) => webSockets.handleUpgrade(request, socket, head, resolve))
}

function receive({ stdin, resize }: ExecSession, client: WebSocket, data: RawData): void {
  const message = Buffer.isBuffer(data) ? data : Buffer.concat([data].flat().map((part) => Buffer.from(part as Buffer)))
  const [first, second] = message
  if (first === channel.stdin) {
    // A command that does not read must not fill the memory.
    if (!stdin.write(message.subarray(1))) client.pause()
  } else if (first === channel.close && second === channel.stdin) stdin.end()
  else if (first === channel.resize) {
    const size = parseSize(message.subarray(1))
    if (size !== undefined) resize(size)
  }
}

function parseSize(bytes: Buffer): { columns: number; rows: number } | undefined {
  try {
    const size = parseJson('the size of the terminal', bytes)
    return { columns: numberAt(size, 'Width'), rows: numberAt(size, 'Height') }
  } catch {
    return undefined
  }
}

async function relay(session: ExecSession, client: WebSocket): Promise<void> {
  const send = (to: number, chunk: Uint8Array) =>
    new Promise<void>((resolve) => client.send(Buffer.concat([Buffer.of(to), chunk]), () => resolve()))
  const copy = async (to: number, from: AsyncIterable<Buffer>) => {
    for await (const chunk of from) await send(to, chunk)
  }
  // A command may close its stdin before its end.
  session.stdin.on('error', () => {})
  const [exit] = await Promise.allSettled([
    session.exit,
    copy(channel.stdout, session.stdout),
    copy(channel.stderr, session.stderr),
  ])
  await send(channel.error, Buffer.from(JSON.stringify(exitStatus(exit))))
  client.close(1000)
}

function exitStatus(exit: PromiseSettledResult<number>): object {
  if (exit.status === 'fulfilled' && exit.value === 0) return { metadata: {}, status: 'Success' }
  if (exit.status === 'rejected') {
    return { metadata: {}, status: 'Failure', reason: 'InternalError', message: errorMessage(exit.reason), code: 500 }
  }
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit code ${exit.value}`,
    details: { causes: [{ reason: 'ExitCode', message: String(exit.value) }] },
  }
}
