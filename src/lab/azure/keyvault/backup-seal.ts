import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { RecordStore } from '../records/record-store.ts'
import { badParameter } from './error-response.ts'

/** Encrypts backups with a key of this lab, so that they are opaque and can only be restored here, as in Azure. */
export interface BackupSeal {
  seal(kind: string, content: unknown): string
  /** The content of a blob. Throws {@link Refusal} when the blob is damaged, from another lab, or of another kind. */
  open<T>(kind: string, blob: string): T
}

const algorithm = 'aes-256-gcm'
const ivBytes = 12
const tagBytes = 16

export function createBackupSeal(store: RecordStore): BackupSeal {
  const keys = store.collection<{ key: string }>('backup-keys')
  const stored = keys.get('key')
  const { key: keyText } = stored ?? { key: randomBytes(32).toString('base64url') }
  if (stored === undefined) store.commit([keys.put('key', { key: keyText })])
  const key = Buffer.from(keyText, 'base64url')

  return {
    seal(kind, content) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv(algorithm, key, iv).setAAD(Buffer.from(kind))
      const sealed = [cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]
      return Buffer.concat([iv, ...sealed, cipher.getAuthTag()]).toString('base64url')
    },
    open<T>(kind: string, blob: string): T {
      try {
        const bytes = Buffer.from(blob, 'base64url')
        const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes))
          .setAAD(Buffer.from(kind))
          .setAuthTag(bytes.subarray(-tagBytes))
        const text = decipher.update(bytes.subarray(ivBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
        return JSON.parse(text) as T
      } catch {
        throw badParameter(`Backup blob is not a ${kind} backup of this subscription, or it is damaged.`)
      }
    },
  }
}
