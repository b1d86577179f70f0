import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, errorMessage, type Log, type Running, SecretValue, systemClock } from '#lib'
import type { ServingCertificate } from './serving-certificate.ts'

export interface CertificateFilesOptions {
  /** With `tls.crt` and `tls.key`, as a mounted Secret of cert-manager has them. */
  directory: string
  log: Log
  clock?: Clock
  /** How often the files are read. Default 10,000 ms: kubelet brings a changed Secret within about a minute. */
  everyMs?: number
  onCertificate(certificate: ServingCertificate): void
}

/** Serves what somebody else keeps in a directory, and what they put there later. */
export function followCertificateFiles(options: CertificateFilesOptions): Running {
  const { directory, log, clock = systemClock, everyMs = 10_000, onCertificate } = options
  let shown: ServingCertificate | undefined
  let stopped = false
  let cancel = () => {}

  async function look(): Promise<void> {
    try {
      const [cert, key] = await Promise.all([
        readFile(join(directory, 'tls.crt'), 'utf8'),
        readFile(join(directory, 'tls.key')),
      ])
      const found = { ca: '', cert, key: SecretValue.of(key) }
      if (shown?.cert === found.cert && shown.key.equals(found.key)) return
      onCertificate(found)
      shown = found
    } catch (error) {
      log.warn({ directory }, `cannot use the certificate: ${errorMessage(error)}`)
    }
  }

  let looking = lookAndRepeat()
  async function lookAndRepeat(): Promise<void> {
    await look()
    if (stopped) return
    cancel = clock.after(everyMs, () => {
      looking = lookAndRepeat()
    })
  }

  return {
    async stop() {
      stopped = true
      cancel()
      await looking
    },
  }
}
