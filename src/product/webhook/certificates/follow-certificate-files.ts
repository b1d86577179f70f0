import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, errorMessage, type Log, type Running, repeat, SecretValue, systemClock } from '#lib'
import type { ServingCertificate } from './serving-certificate.ts'

export interface CertificateFilesOptions {
  /** With `tls.crt` and `tls.key`, as a mounted Secret of cert-manager has them. */
  directory: string
  log: Log
  clock?: Clock | undefined
  /** Time between two reads. Default 10,000 ms: kubelet updates a changed Secret within about a minute. */
  everyMs?: number | undefined
  onCertificate(certificate: ServingCertificate): void
}

/** Serves the certificate in a directory that other software maintains, and every later one. */
export function followCertificateFiles(options: CertificateFilesOptions): Running {
  const { directory, log, clock = systemClock, everyMs = 10_000, onCertificate } = options
  let current: ServingCertificate | undefined

  async function readOnce(): Promise<void> {
    try {
      const [cert, key] = await Promise.all([
        readFile(join(directory, 'tls.crt'), 'utf8'),
        readFile(join(directory, 'tls.key')),
      ])
      const found = { ca: '', cert, key: SecretValue.of(key) }
      if (current?.cert === found.cert && current.key.equals(found.key)) return
      onCertificate(found)
      current = found
    } catch (error) {
      log.warn({ directory }, `cannot use the certificate: ${errorMessage(error)}`)
    }
  }

  return repeat(
    async () => {
      await readOnce()
      return everyMs
    },
    { clock },
  )
}
