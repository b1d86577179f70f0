import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { replaceFile } from '#lib/files'

/** Where distributions have the certificates that the administrator trusts. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Ubuntu, Alpine, Arch
  '/etc/pki/tls/certs/ca-bundle.crt', // Fedora, RHEL
  '/etc/ssl/ca-bundle.pem', // SUSE
]

/**
 * Writes the system's certificates and the lab's CA to one file, for programs whose variable replaces the system's list
 * (REQUESTS_CA_BUNDLE of az, SSL_CERT_FILE of Go and OpenSSL).
 */
export function writeCaBundle(path: string, labCa: string): void {
  replaceFile(path, `${systemCertificates().trimEnd()}\n\n# The lab's own CA\n${labCa}`, 0o644)
}

function systemCertificates(): string {
  for (const path of systemBundles) {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      // Another distribution has it elsewhere.
    }
  }
  return rootCertificates.join('\n')
}
