import { createHash } from 'node:crypto'
import type { TlsKey } from '#kubernetes/client'
import { type Clock, errorMessage, SecretValue } from '#lib'
import { encodePem, type KeyMaterial, readKeyMaterialTask } from '#lib/formats'
import { TaskError, type TaskRunner } from '#lib/worker'

export interface TlsValues {
  /**
   * The value of a key of a TLS Secret, out of a file that may hold certificates and key together: PEM, or PFX without a
   * password. Certificates come in the order of their chain, leaf first. Rejects with a text that does not quote the content.
   *
   * @param owner namespace of the Secret: owners take turns at the worker threads.
   */
  value(key: TlsKey, contents: SecretValue, options: TlsValueOptions): Promise<SecretValue>
}

export interface TlsValueOptions {
  owner: string
  signal?: AbortSignal | undefined
}

/** What a file gives. */
interface FileValues {
  /** PEM; undefined for none. */
  certificates: SecretValue | undefined
  privateKey: SecretValue | undefined
}

interface HeldFile {
  values: Promise<FileValues>
  /** Until when a failure is held, by `clock.elapsed()`. Infinity for a success and for a failure that the content alone explains. */
  until: number
}

/** Files whose values are held, so that an unchanged file is parsed once. */
const maxHeld = 100

/** A file that took too long may have done so because the node was busy. */
const retryMs = 600_000

/** Files are parsed in worker threads: tenants write them. */
export function createTlsValues(tasks: TaskRunner, clock: Clock): TlsValues {
  const held = new Map<string, HeldFile>()

  function fileOf(contents: SecretValue, { owner, signal }: TlsValueOptions): HeldFile {
    const digest = createHash('sha256').update(`${owner}\0`).update(contents.reveal()).digest('base64')
    const earlier = held.get(digest)
    const file = earlier === undefined || earlier.until <= clock.elapsed() ? begin(contents, owner, signal) : earlier
    // Deleted and set again: the file that was used last is the last to be dropped.
    held.delete(digest)
    held.set(digest, file)
    if (held.size > maxHeld) held.delete(held.keys().next().value ?? '')
    return file
  }

  function begin(contents: SecretValue, owner: string, signal: AbortSignal | undefined): HeldFile {
    const file = { values: readFile(tasks, contents, owner, signal), until: Number.POSITIVE_INFINITY }
    file.values.catch((error: unknown) => {
      file.until = clock.elapsed() + holdMs(error)
    })
    return file
  }

  return {
    async value(key, contents, options) {
      const { certificates, privateKey } = await fileOf(contents, options).values
      return required(key === 'tls.key' ? privateKey : certificates, key)
    },
  }
}

/** How long the failure of a file is held, in milliseconds. */
function holdMs(error: unknown): number {
  const code = error instanceof Error && error.cause instanceof TaskError ? error.cause.code : undefined
  if (code === 'task-failed') return Number.POSITIVE_INFINITY
  return code === 'task-timeout' || code === 'task-out-of-memory' ? retryMs : 0
}

async function readFile(
  tasks: TaskRunner,
  contents: SecretValue,
  owner: string,
  signal: AbortSignal | undefined,
): Promise<FileValues> {
  try {
    // A copy: a slice of a larger buffer would be sent with all of it.
    const input = { contents: new Uint8Array(contents.reveal()) }
    return valuesOf(await tasks.run(readKeyMaterialTask, input, { owner, signal }))
  } catch (error) {
    if (!(error instanceof TaskError)) throw error
    const isContent = error.code === 'task-failed'
    const what = isContent ? 'cannot be read as PEM or as a PFX without a password' : 'was not parsed'
    throw new Error(`${what}: ${errorMessage(error)}`, { cause: error })
  }
}

function valuesOf({ keys, certificates }: KeyMaterial): FileValues {
  const pem = certificates.map((der) => encodePem({ label: 'CERTIFICATE', der })).join('')
  const key = keys.at(-1)?.traditionalPem
  return {
    certificates: pem === '' ? undefined : SecretValue.of(pem),
    privateKey: key === undefined ? undefined : SecretValue.of(key),
  }
}

function required(value: SecretValue | undefined, key: TlsKey): SecretValue {
  if (value === undefined) throw new Error(`holds no ${key === 'tls.key' ? 'private key' : 'certificate'}`)
  return value
}
