import { Code } from '#kubernetes/grpc'
import {
  type MountRequest,
  type MountResponse,
  maxAgeAttribute,
  type ObjectVersion,
  ProviderError,
} from '#kubernetes/provider-protocol'
import type { VolumeFile } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'
import type { Node } from '../node.ts'
import { PublishError } from '../rpc/publish-error.ts'
import { type PublishRequest, tokensKey } from '../rpc/publish-request.ts'
import type { MountClass } from './mount-class.ts'

/** A provider's answer: the whole volume. */
export interface VolumeContent {
  files: readonly VolumeFile[]
  /** Sorted by id; of equal ids the last. */
  versions: readonly ObjectVersion[]
}

export interface FetchOptions {
  /** What the volume holds already. */
  current: readonly ObjectVersion[]
  signal: AbortSignal
  /** Oldest time, by `clock.elapsed()`, of a shared answer that the provider may give. Default: as the provider shares. */
  notOlderThan?: number | undefined
  /** Longest time for the provider's answer. Default: the client's. */
  timeoutMs?: number | undefined
}

/** Mode of files for which the provider gives none. The protocol has it as decimal text. */
const defaultMode = String(0o644)

/** Asks the provider for the content of a volume. Throws {@link PublishError}. */
export async function fetchContent(
  node: Node,
  request: PublishRequest,
  mountClass: MountClass,
  options: FetchOptions,
): Promise<VolumeContent> {
  const { provider } = mountClass
  const fail = (errorType: string, code: Code, what: string) => {
    const pod = `${request.pod.namespace}/${request.pod.name}`
    return new PublishError(errorType, code, `failed to mount secrets store objects for pod ${pod}, err: ${what}`)
  }
  const response = await ask(node, request, mountClass, options).catch((error: unknown) => {
    if (!(error instanceof ProviderError)) throw error
    const isAnswer = error.kind === 'rpc'
    throw fail(isAnswer ? 'GRPCProviderError' : 'FailedToLookupProviderGRPCClient', error.code, error.message)
  })
  const errorCode = response.error?.code ?? ''
  if (errorCode !== '') throw fail(errorCode, Code.UNKNOWN, `provider "${provider}" answered error code ${errorCode}`)
  if (response.objectVersion.length === 0)
    throw fail('GRPCProviderError', Code.UNKNOWN, `provider "${provider}" answered without any object version`)
  return contentOf(response)
}

function ask(
  { providers, clock }: Node,
  request: PublishRequest,
  { provider, attributes }: MountClass,
  { current, notOlderThan, signal, timeoutMs }: FetchOptions,
): Promise<MountResponse> {
  const tokens = request.tokens === undefined ? {} : { [tokensKey]: request.tokens.revealText() }
  const maxAge =
    notOlderThan === undefined ? {} : { [maxAgeAttribute]: String(Math.max(clock.elapsed() - notOlderThan, 0)) }
  const secrets = Object.entries(request.secrets ?? {}).map(([key, value]) => [key, value.revealText()])
  const message: MountRequest = {
    attributes: JSON.stringify({ ...attributes, ...tokens, ...maxAge }),
    // Providers decode "null" where there are no secrets; an empty text breaks them.
    secrets: request.secrets === undefined ? 'null' : JSON.stringify(Object.fromEntries(secrets)),
    targetPath: request.targetPath,
    permission: defaultMode,
    currentObjectVersion: [...current],
  }
  return providers.mount(provider, message, { signal, timeoutMs })
}

function contentOf({ files, objectVersion }: MountResponse): VolumeContent {
  const versions = new Map(objectVersion.map(({ id, version }) => [id, version]))
  return {
    files: files.map(({ path, mode, contents }) => ({ path, mode, contents: SecretValue.of(contents) })),
    versions: [...versions].map(([id, version]) => ({ id, version })).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  }
}
