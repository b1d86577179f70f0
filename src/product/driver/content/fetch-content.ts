import { Code } from '#kubernetes/grpc'
import {
  type MountRequest,
  type ObjectVersion,
  type ProviderClient,
  ProviderError,
} from '#kubernetes/provider-protocol'
import type { VolumeFile } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'
import { PublishError } from '../rpc/publish-error.ts'
import { type PublishRequest, tokensKey } from '../rpc/publish-request.ts'
import type { MountClass } from './mount-class.ts'

/** What a provider answered: the whole volume. */
export interface VolumeContent {
  files: readonly VolumeFile[]
  /** Sorted by id; of equal ids the last. */
  versions: readonly ObjectVersion[]
}

/** Mode for files to which the provider gives none of its own; the protocol wants it as decimal text. */
const defaultMode = String(0o644)

/** Asks the provider for the content of a volume. Throws {@link PublishError}. */
export async function fetchContent(
  providers: ProviderClient,
  request: PublishRequest,
  mountClass: MountClass,
  options: { current: readonly ObjectVersion[]; signal: AbortSignal },
): Promise<VolumeContent> {
  const { provider } = mountClass
  const pod = `${request.pod.namespace}/${request.pod.name}`
  const fail = (errorType: string, code: Code, what: string) =>
    new PublishError(errorType, code, `failed to mount secrets store objects for pod ${pod}, err: ${what}`)
  const response = await providers
    .mount(provider, mountRequest(request, mountClass, options.current), { signal: options.signal })
    .catch((error: unknown) => {
      if (!(error instanceof ProviderError)) throw error
      throw fail(
        error.kind === 'rpc' ? 'GRPCProviderError' : 'FailedToLookupProviderGRPCClient',
        error.code,
        error.message,
      )
    })
  const errorCode = response.error?.code ?? ''
  if (errorCode !== '') throw fail(errorCode, Code.UNKNOWN, `provider "${provider}" answered error code ${errorCode}`)
  if (response.objectVersion.length === 0) {
    throw fail('GRPCProviderError', Code.UNKNOWN, `provider "${provider}" answered without any object version`)
  }
  const versions = new Map(response.objectVersion.map(({ id, version }) => [id, version]))
  return {
    files: response.files.map(({ path, mode, contents }) => ({ path, mode, contents: SecretValue.of(contents) })),
    versions: [...versions].map(([id, version]) => ({ id, version })).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  }
}

function mountRequest(
  request: PublishRequest,
  { attributes }: MountClass,
  current: readonly ObjectVersion[],
): MountRequest {
  const tokens = request.tokens === undefined ? {} : { [tokensKey]: request.tokens.revealText() }
  const secrets = Object.entries(request.secrets ?? {}).map(([key, value]) => [key, value.revealText()])
  return {
    attributes: JSON.stringify({ ...attributes, ...tokens }),
    // Providers of the field decode "null" where there are no secrets; an empty text breaks them.
    secrets: request.secrets === undefined ? 'null' : JSON.stringify(Object.fromEntries(secrets)),
    targetPath: request.targetPath,
    permission: defaultMode,
    currentObjectVersion: [...current],
  }
}
