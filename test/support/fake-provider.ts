import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { parse } from 'yaml'
import {
  CSIDriverProviderService,
  type HeldToken,
  heldTokenTrailer,
  type MountRequest,
  type MountResponse,
  type StaleContent,
  staleTrailers,
  type VersionResponse,
  vaultsText,
  vaultsTrailer,
} from '#kubernetes/provider-protocol'
import { CodedError } from '#lib'

/** A provider of secrets for tests, on a real socket; the test sets contents and faults. */
export interface FakeProvider {
  readonly name: string
  readonly socket: string
  /** Every Mount, oldest first. */
  readonly mounts: MountRequest[]
  /** How long the caller of each of them waits for its answer, in milliseconds. */
  readonly patience: number[]
  /** Content and version of objects by name. Objects without one are empty. */
  readonly objects: Map<string, ProviderObject>
  /** Instead of the usual answer. Undefined for the usual one. */
  answer: ((request: MountRequest) => Promise<MountResponse> | MountResponse) | undefined
  /** Its answers are from before an outage. */
  stale: StaleContent | undefined
  /** Vaults that its answers name. */
  vaults: readonly string[]
  /** The token that its answers report as held. */
  heldToken: HeldToken | undefined
  /** Every Mount must carry a token for these. */
  requiredAudiences: readonly string[]
  /** True: a pod that mounts again gets `rotated` for every object, in version `v2`. */
  rotated: boolean
  stop(): Promise<void>
}

export interface ProviderObject {
  content: string | Buffer
  version: string
  mode?: number
}

/** Thrown by `answer` to fail with a gRPC code. */
export class ProviderFault extends CodedError<status> {}

/**
 * The contract of the mock provider in upstream's end-to-end suite: the attribute `objects` is YAML with an `array` of YAML
 * texts, each with an `objectName`; one file per object, mode 0; ids are `secret/<name>`; calls whose authority is not
 * `localhost` are refused.
 */
export async function startFakeProvider(directory: string, name = 'e2e-provider'): Promise<FakeProvider> {
  mkdirSync(directory, { recursive: true })
  const socket = join(directory, `${name}.sock`)
  rmSync(socket, { force: true })
  const server = new Server()
  const provider: FakeProvider = {
    name,
    socket,
    mounts: [],
    patience: [],
    objects: new Map([
      ['foo', { content: 'secret', version: 'v1' }],
      ['fookey', { content: '-----BEGIN PUBLIC KEY-----\nThis is mock key\n-----END PUBLIC KEY-----', version: 'v1' }],
    ]),
    answer: undefined,
    stale: undefined,
    vaults: [],
    heldToken: undefined,
    requiredAudiences: [],
    rotated: false,
    stop: () => Promise.resolve(server.forceShutdown()),
  }

  const pods = new Set<string>()
  const usual = (request: MountRequest): MountResponse => {
    const attributes = JSON.parse(request.attributes) as Record<string, string>
    if (request.targetPath === '') throw new ProviderFault(status.INVALID_ARGUMENT, 'missing target path')
    const tokens = JSON.parse(attributes['csi.storage.k8s.io/serviceAccount.tokens'] ?? '{}') as Record<string, unknown>
    const missing = provider.requiredAudiences.filter((audience) => tokens[audience] === undefined)
    if (missing.length > 0) throw new ProviderFault(status.UNAUTHENTICATED, `no token for ${missing.join(', ')}`)
    const names = objectNames(attributes.objects)
    const uid = attributes['csi.storage.k8s.io/pod.uid'] ?? ''
    const isRotated = provider.rotated && pods.has(uid)
    pods.add(uid)
    const currentOf = (object: string): ProviderObject => {
      if (isRotated) return { content: 'rotated', version: 'v2' }
      return provider.objects.get(object) ?? { content: '', version: 'v1' }
    }
    const found = names.map((object) => ({ object, ...currentOf(object) }))
    return {
      objectVersion: found.map(({ object, version }) => ({ id: `secret/${object}`, version })),
      error: undefined,
      files: found.map(({ object, content, mode = 0 }) => ({ path: object, mode, contents: Buffer.from(content) })),
    }
  }

  server.addService(CSIDriverProviderService, {
    version: (_: unknown, respond: sendUnaryData<VersionResponse>) =>
      respond(null, { version: 'v1alpha1', runtimeName: 'E2EMockProvider', runtimeVersion: 'v0.0.10' }),
    mount(call: ServerUnaryCall<MountRequest, MountResponse>, respond: sendUnaryData<MountResponse>) {
      provider.mounts.push(call.request)
      provider.patience.push(new Date(call.getDeadline() as number | Date).getTime() - Date.now())
      Promise.resolve()
        .then(() => {
          if (call.getHost() !== 'localhost')
            throw new ProviderFault(status.INVALID_ARGUMENT, `authority is ${call.getHost()}`)
          return (provider.answer ?? usual)(call.request)
        })
        .then(
          (answer) => respond(null, answer, trailerOf(provider)),
          (error: unknown) => {
            const code = error instanceof ProviderFault ? error.code : status.UNKNOWN
            respond({ code, details: error instanceof Error ? error.message : String(error) })
          },
        )
    },
  })
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  return provider
}

function trailerOf({ stale, vaults, heldToken }: FakeProvider): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of stale === undefined ? [] : staleTrailers(stale)) metadata.set(name, value)
  if (vaults.length > 0) metadata.set(vaultsTrailer, vaultsText(vaults))
  if (heldToken !== undefined) metadata.set(heldTokenTrailer, `${heldToken.identity}:${heldToken.ms}`)
  return metadata
}

function objectNames(text: string | undefined): string[] {
  if (text === undefined) throw new ProviderFault(status.INVALID_ARGUMENT, 'the attribute "objects" is missing')
  const { array = [] } = (parse(text) ?? {}) as { array?: string[] }
  return array.map((entry) => (parse(entry) as { objectName: string }).objectName)
}

/** The attribute `objects` for these names. */
export function objectsAttribute(names: readonly string[]): string {
  return ['array:', ...names.map((name) => `  - |\n    objectName: ${name}`)].join('\n')
}
