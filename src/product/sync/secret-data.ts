import {
  everyFileRows,
  isTlsKey,
  rowsFault,
  type SecretProviderClass,
  type SecretSync,
  syncsEveryFile,
  type TlsKey,
  tlsKeys,
  tlsSecretType,
} from '#kubernetes/client'
import type { TlsValues } from '#kubernetes/secret-data'
import { errorMessage, type SecretValue } from '#lib'
import { optionalPaths } from './optional-paths.ts'
import { SyncError } from './sync-error.ts'
import type { SecretData } from './sync-hash.ts'

/** The limit of the API server for a whole Secret. */
const maxSecretBytes = 1024 * 1024

/** Names that an error lists at most. */
const maxListed = 20

export interface WantedData {
  data: SecretData
  /** Keys that are left out because their objects are optional and not in the vault. */
  absent: readonly string[]
}

/**
 * What goes under the keys of the Secret, out of the provider's files. `NAME/tls.crt` and `NAME/tls.key` are the certificates
 * and the key of the file NAME, where there is no file of that path. Throws {@link SyncError}.
 */
export async function secretData(
  sync: SecretSync,
  secretClass: SecretProviderClass,
  files: ReadonlyMap<string, SecretValue>,
  tls: TlsValues,
  { fromClass, signal }: { fromClass: boolean; signal: AbortSignal },
): Promise<WantedData> {
  const owner = sync.metadata.namespace ?? ''
  const tlsValue: TlsValue = (key, contents) => tls.value(key, contents, { owner, signal })
  const { type = 'Opaque', data: rows } = sync.spec.secretObject
  if (fromClass) refuseTooManyRows(secretClass, files.size)
  const data = new Map<string, SecretValue>()
  const absent: string[] = []
  let optional: ReturnType<typeof optionalPaths> | undefined
  for (const { sourcePath, targetKey } of fromClass ? everyFileEntries(secretClass, rows, files) : rows) {
    const [path, key] = [sourcePath.trim(), targetKey.trim()]
    // The class is parsed once at most, and only where a file is missing.
    const isMissing = fileFor(path, files) === undefined
    if (isMissing) optional ??= optionalPaths(secretClass)
    if (isMissing && optional?.has(wholePath(path))) absent.push(key)
    else data.set(key, await entryValue(type, path, key, files, tlsValue))
  }
  if (data.size === 0) refuseEmpty(absent)
  refuseTooLarge(data)
  return { data, absent }
}

/** Of all entries together, as in the driver. */
function refuseTooManyRows(secretClass: SecretProviderClass, files: number): void {
  const fault = rowsFault(secretClass.spec?.secretObjects ?? [], syncsEveryFile(secretClass) ? files : 1)
  if (fault !== undefined)
    throw new SyncError('SecretProviderClassMisconfigured', `spec.secretObjects: ${fault} [secret-too-many-keys]`)
}

type Entries = SecretSync['spec']['secretObject']['data']

/** The entries of a class with those for every file (parameter `syncAll`) written out. */
function everyFileEntries(
  secretClass: SecretProviderClass,
  rows: Entries,
  files: ReadonlyMap<string, SecretValue>,
): Entries {
  if (!syncsEveryFile(secretClass)) return rows
  const given = rows.map(({ sourcePath, targetKey }) => ({ objectName: sourcePath, key: targetKey }))
  const all = everyFileRows(given, [...files.keys()])
  return all.map(({ objectName = '', key = '' }) => ({ sourcePath: objectName, targetKey: key }))
}

const partPattern = /^(.+)\/(tls\.crt|tls\.key)$/

function fileFor(path: string, files: ReadonlyMap<string, SecretValue>): SecretValue | undefined {
  return files.get(path) ?? files.get(wholePath(path))
}

/** The path without `/tls.crt` or `/tls.key`. */
function wholePath(path: string): string {
  return partPattern.exec(path)?.[1] ?? path
}

function refuseEmpty(absent: readonly string[]): void {
  const text = `every key is of an optional object that is not in the vault: ${absent.join(', ') || 'no key is named'} [secret-empty]`
  throw new SyncError('RemoteSecretStoreFetchFailed', text)
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
  const part = partPattern.exec(path)?.[2]
  const whole = part === undefined ? undefined : files.get(wholePath(path))
  try {
    if (contents !== undefined) return type === tlsSecretType ? await tlsEntry(key, contents, tlsValue) : contents
    if (whole !== undefined) return await tlsEntry(part ?? '', whole, tlsValue)
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
