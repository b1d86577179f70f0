import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { SecretProviderClass, SecretSync } from '#kubernetes/client'
import type { SecretValue } from '#lib'

/** Slow on purpose: a status is readable by more people than a Secret, and a short value could be guessed from a fast hash. */
const rounds = 100_000

/** `status.syncHash`: data of the Secret, identities and generations of both objects, under the SecretSync's uid. */
export async function syncHash(sync: SecretSync, secretClass: SecretProviderClass, data: SecretData): Promise<string> {
  const salt = sync.metadata.uid ?? ''
  const key = await promisify(pbkdf2)(contentOf(sync, secretClass, data), salt, rounds, 32, 'sha512')
  return `v1:${key.toString('hex')}`
}

export type SecretData = ReadonlyMap<string, SecretValue>

/** Every part with its length, so that no two contents have the same bytes. */
function contentOf(sync: SecretSync, secretClass: SecretProviderClass, data: SecretData): Buffer {
  const identities = [
    secretClass.metadata.uid ?? '',
    String(secretClass.metadata.generation ?? 0),
    sync.metadata.uid ?? '',
    String(sync.metadata.generation ?? 0),
    sync.spec.forceSynchronization ?? '',
  ]
  const entries = [...data].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const parts = [
    ...identities.map((text) => Buffer.from(text)),
    ...entries.flatMap(([key, value]) => [Buffer.from(key), value.reveal()]),
  ]
  return Buffer.concat(parts.flatMap((part) => [lengthOf(part), part]))
}

function lengthOf(part: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(part.length)
  return length
}
