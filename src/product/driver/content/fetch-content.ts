import { Code } from '#kubernetes/grpc'
import {
  changedAttribute,
  intervalAttribute,
  intervalText,
  type MountAnswer,
  type MountRequest,
  maxAgeAttribute,
  type ObjectVersion,
  ProviderError,
  type StaleContent,
} from '#kubernetes/provider-protocol'
import type { VolumeFile } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'
import type { Node } from '../node.ts'
import { rememberToken } from '../rotation/held-tokens.ts'
import { codedText } from '../rpc/coded-text.ts'
import { PublishError } from '../rpc/publish-error.ts'
import { type PublishRequest, tokensKey } from '../rpc/publish-request.ts'
import type { MountClass } from './mount-class.ts'

/** A provider's answer: the whole volume. */
export interface VolumeContent {
  files: readonly VolumeFile[]
  /** Sorted by id; of equal ids the last. */
  versions: readonly ObjectVersion[]
  /** See {@link FetchOptions.large}. */
  large: boolean
  /** Since when, and why, it is not what the vault has now; undefined for fresh content. */
  stale: StaleContent | undefined
  /** Hosts of the vaults that have its objects; empty where the provider named none. */
  vaults: readonly string[]
  /** Whose token the provider holds after the read; undefined where it holds none. See {@link HeldToken}. */
  tokenOf: string | undefined
}

export interface FetchOptions {
  /** What the volume holds already. */
  current: readonly ObjectVersion[]
  /** Whether the last answer was larger than {@link smallBytes}. */
  large: boolean
  /** Called with the size of a large answer before it is read; throws if there is no room for it. */
  assertRoom(bytes: number): void
  signal: AbortSignal
  /** Oldest time, by `clock.elapsed()`, of a shared answer that the provider may give. Default: as the provider shares. */
  notOlderThan?: number | undefined
  /** Objects that have changed in the vault: see {@link changedAttribute}. Default: not known. */
  changed?: readonly string[] | undefined
  /** Longest time for the provider's answer. Default: the client's. */
  timeoutMs?: number | undefined
}

/** The provider that knows {@link changedAttribute}. */
const ownProvider = 'azure'

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
  const fail = (errorType: string, code: Code, what: string) =>
    new PublishError(errorType, code, mountFailure(request, what))
  const { response, large } = await ask(node, request, mountClass, options).catch((error: unknown) => {
    if (!(error instanceof ProviderError)) throw error
    const isAnswer = error.kind !== 'invalid-name' && error.kind !== 'not-found'
    throw fail(isAnswer ? 'GRPCProviderError' : 'FailedToLookupProviderGRPCClient', error.code, codedAnswer(error))
  })
  const errorCode = response.error?.code ?? ''
  if (errorCode !== '') throw fail(errorCode, Code.UNKNOWN, `provider "${provider}" answered error code ${errorCode}`)
  if (response.objectVersion.length === 0) {
    const what = `provider "${provider}" answered without any object version; list at least one object in the class`
    throw fail('GRPCProviderError', Code.UNKNOWN, codedText('provider-answer-empty', what))
  }
  const { stale, vaults = [], heldToken } = response
  const tokenOf = rememberToken(node.heldTokens, heldToken, node.clock)
  return { ...contentOf(response), large, stale, vaults, tokenOf }
}

/**
 * An error as pods' events show it, of which kubelet keeps 1,024 characters. A text with a code comes first, as it is what a
 * reader needs, and upstream's words, by which logs are searched, follow. Other texts are as upstream's driver has them.
 */
function mountFailure({ pod }: PublishRequest, what: string): string {
  const upstream = `failed to mount secrets store objects for pod ${pod.namespace}/${pod.name}, err: `
  const [, words = '', text, code] = /^(failed to mount objects, error: )?((\[[a-z-]{1,40}\]) .+)$/s.exec(what) ?? []
  return text === undefined ? `${upstream}${what}` : `${text}; ${upstream}${words}${code}`
}

/** Why a provider gave no content; what it answered itself is left as it is. */
function codedAnswer({ kind, code, message }: ProviderError): string {
  if (kind === 'invalid-name') return codedText('provider-name-invalid', message)
  if (kind === 'not-found') return codedText('provider-not-found', message)
  if (kind === 'too-large') return codedText('answer-too-large', message)
  if (kind === 'timeout') return codedText('provider-timeout', message)
  // gRPC's own words for a socket on which no process listens.
  if (code === Code.UNAVAILABLE && /^(No connection established|Connection dropped)/.test(message))
    return codedText('provider-unavailable', `the provider does not answer on its socket (${message})`)
  return message
}

/** Answers that may be in memory in any number: most are a few KiB, and a node has some hundred volumes. */
const smallBytes = 128 * 1024

/**
 * Answers are in memory as a whole, several times over. So the first call takes a small one only; gRPC refuses a larger one by
 * its length, before it is read, and the second call waits for its turn.
 */
async function ask(
  node: Node,
  request: PublishRequest,
  mountClass: MountClass,
  options: FetchOptions,
): Promise<{ response: MountAnswer; large: boolean }> {
  const maxReceiveBytes = Math.min(smallBytes, node.config.maxReceiveBytes)
  if (!options.large) {
    try {
      return { response: await mount(node, request, mountClass, { ...options, maxReceiveBytes }), large: false }
    } catch (error) {
      const isTooLarge = error instanceof ProviderError && error.kind === 'too-large'
      if (!isTooLarge || maxReceiveBytes === node.config.maxReceiveBytes) throw error
      options.assertRoom(error.answerBytes ?? smallBytes)
    }
  }
  const whole = () => mount(node, request, mountClass, options)
  const response = await node.largeAnswers.run(request.pod.namespace, whole, options.signal)
  return { response, large: sizeOf(response) > smallBytes }
}

function sizeOf({ files }: MountAnswer): number {
  return files.reduce((sum, { contents }) => sum + contents.length, 0)
}

function mount(
  { providers, clock, config, confirmed }: Node,
  request: PublishRequest,
  { provider, attributes, intervalMs }: MountClass,
  { current, notOlderThan, changed, signal, timeoutMs, maxReceiveBytes }: FetchOptions & { maxReceiveBytes?: number },
): Promise<MountAnswer> {
  const tokens = request.tokens === undefined ? {} : { [tokensKey]: request.tokens.revealText() }
  const maxAge =
    notOlderThan === undefined ? {} : { [maxAgeAttribute]: String(Math.max(clock.elapsed() - notOlderThan, 0)) }
  const changes =
    changed === undefined || provider !== ownProvider ? {} : { [changedAttribute]: JSON.stringify(changed) }
  const longest = intervalText(Math.max(intervalMs ?? config.rotationIntervalMs, confirmed.intervalMs))
  const interval = longest === undefined || provider !== ownProvider ? {} : { [intervalAttribute]: longest }
  const secrets = Object.entries(request.secrets ?? {}).map(([key, value]) => [key, value.revealText()])
  const message: MountRequest = {
    attributes: JSON.stringify({ ...attributes, ...tokens, ...maxAge, ...changes, ...interval }),
    // Providers decode "null" where there are no secrets; an empty text breaks them.
    secrets: request.secrets === undefined ? 'null' : JSON.stringify(Object.fromEntries(secrets)),
    targetPath: request.targetPath,
    permission: defaultMode,
    currentObjectVersion: [...current],
  }
  return providers.mount(provider, message, { signal, timeoutMs, maxReceiveBytes })
}

function contentOf({ files, objectVersion }: MountAnswer): Pick<VolumeContent, 'files' | 'versions'> {
  const versions = objectVersion.map(({ id, version }) => [id, version] as const)
  return {
    files: files.map(({ path, mode, contents }) => ({ path, mode, contents: SecretValue.of(contents) })),
    versions: sortedVersions(versions),
  }
}

/** As a volume holds them; of equal ids the last. */
export function sortedVersions(versions: Iterable<readonly [string, string]>): ObjectVersion[] {
  return [...new Map(versions)].map(([id, version]) => ({ id, version })).toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
