import { isTlsKey, type TlsKey, tlsKeys, tlsSecretType } from '#kubernetes/client'
import type { TlsValues } from '#kubernetes/secret-data'
import { errorMessage, type SecretValue } from '#lib'
import type { SecretSync } from './secret-sync.ts'
import { SyncError } from './sync-error.ts'
import type { SecretData } from './sync-hash.ts'

/** The limit of the API server for a whole Secret. */
const maxSecretBytes = 1024 * 1024

/** Names that an error lists at most. */
const maxListed = 20

/**
 * What goes under the keys of the Secret, out of the provider's files. `NAME/tls.crt` and `NAME/tls.key` are the certificates
 * and the key of the file NAME, where there is no file of that path. Throws {@link SyncError}.
 */
export async function secretData(
  sync: SecretSync,
  files: ReadonlyMap<string, SecretValue>,
  tls: TlsValues,
  signal: AbortSignal,
): Promise<SecretData> {
  const owner = sync.metadata.namespace ?? ''
  const tlsValue: TlsValue = (key, contents) => tls.value(key, contents, { owner, signal })
  const { type = 'Opaque', data: rows } = sync.spec.secretObject
  const data = new Map<string, SecretValue>()
  for (const { sourcePath, targetKey } of rows) {
    data.set(targetKey.trim(), await entryValue(type, sourcePath.trim(), targetKey.trim(), files, tlsValue))
  }
  refuseTooLarge(data)
  return data
}

type TlsValue = (key: TlsKey, contents: SecretValue) => Promise<SecretValue>

async function entryValue(
  type: string,
  path: string,
  key: string,
  files: ReadonlyMap<string, SecretValue>,
  tlsValue: TlsValue,
): Promise<SecretValue> {
  const contents = files.get(path)
  const part = /^(.+)\/(tls\.crt|tls\.key)$/.exec(path)
  const whole = part === null ? undefined : files.get(part[1] ?? '')
  try {
    if (contents !== undefined) return type === tlsSecretType ? await tlsEntry(key, contents, tlsValue) : contents
    if (whole !== undefined) return await tlsEntry(part?.[2] ?? '', whole, tlsValue)
  } catch (error) {
    throw new SyncError('RemoteSecretStoreFetchFailed', `sourcePath "${path}" ${errorMessage(error)} [tls-unusable]`, {
      cause: error,
    })
  }
  const names = [...files.keys()].slice(0, maxListed)
  const more = files.size > maxListed ? ` and ${files.size - maxListed} more` : ''
  throw new SyncError(
    'RemoteSecretStoreFetchFailed',
    `sourcePath "${path}" is not a file of the provider's response; it has: ${names.join(', ') || 'none'}${more} [source-path-missing]`,
  )
}

async function tlsEntry(key: string, contents: SecretValue, tlsValue: TlsValue): Promise<SecretValue> {
  if (isTlsKey(key)) return tlsValue(key, contents)
  throw new Error(`cannot be put under "${key}": a kubernetes.io/tls Secret has ${tlsKeys.join(', ')}`)
}

/** Sizes are rounded up to 64 KiB: an exact length reveals something about a value. */
function refuseTooLarge(data: SecretData): void {
  const total = [...data.values()].reduce((sum, { size }) => sum + size, 0)
  if (total <= maxSecretBytes) return
  const rounded = ([key, { size }]: [string, SecretValue]) => `${key} ${Math.ceil(size / 65_536) * 64} KiB`
  throw new SyncError(
    'ControllerPatchError',
    `the Secret would be larger than the 1024 KiB that Kubernetes allows: ${[...data].map(rounded).join(', ')} [secret-too-large]`,
  )
}
