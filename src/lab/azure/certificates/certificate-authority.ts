import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '#lib'
import { replaceFile } from '#lib/files'
import {
  type Authority,
  createAuthority,
  exportPrivateKey,
  importSigningKey,
  issueCertificate,
  newCertificateKeys,
} from '#lib/formats'

/** The lab's own authority: the one certificate that clients must trust to reach the local Azure. */
export interface CertificateAuthority {
  /** File with the authority's certificate, for `NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE` and similar variables. */
  readonly caFile: string
  /** A certificate for one host name, with its key. */
  issue(host: string): Promise<Leaf>
}

/** Both PEM. */
export interface Leaf {
  cert: string
  key: string
}

const day = 24 * 3600 * 1000
const authorityDays = 3650
/** Some clients (Apple's, for example) refuse server certificates that are valid for longer. */
const leafDays = 397

/**
 * Loads the authority from `directory` (`ca.pem`, `ca-key.pem`), or creates and stores a new one. All leaves of a process
 * share one key. Throws, naming the files, when the stored authority cannot be used.
 */
export async function openCertificateAuthority(directory: string): Promise<CertificateAuthority> {
  const caFile = join(directory, 'ca.pem')
  const keyFile = join(directory, 'ca-key.pem')
  if (!existsSync(caFile)) await storeNewAuthority(caFile, keyFile)
  const authority = loadAuthority(caFile, keyFile)
  const keys = await newCertificateKeys()

  return {
    caFile,
    async issue(host) {
      const now = Date.now()
      const { certificate, privateKey } = await issueCertificate(authority, {
        // A common name has at most 64 characters (RFC 5280 appendix A.1); clients read the alternative name.
        subject: [{ CN: [host.slice(0, 64)] }],
        usage: 'server',
        alternativeNames: [host],
        notBefore: new Date(now - day),
        notAfter: new Date(now + (leafDays - 1) * day),
        keys,
      })
      return { cert: certificate, key: privateKey.revealText() }
    },
  }
}

async function storeNewAuthority(caFile: string, keyFile: string): Promise<void> {
  const now = Date.now()
  const { certificate, key } = await createAuthority({
    name: 'CN=Keymount local Azure, O=Keymount lab',
    notBefore: new Date(now - day),
    notAfter: new Date(now + authorityDays * day),
  })
  // The key first: clients may trust a certificate as soon as it is there, so it must never be without its key.
  replaceFile(keyFile, (await exportPrivateKey(key)).revealText())
  replaceFile(caFile, certificate, 0o644)
}

function loadAuthority(caFile: string, keyFile: string): Authority {
  try {
    const certificate = readFileSync(caFile, 'utf8')
    const privateKey = createPrivateKey(readFileSync(keyFile, 'utf8'))
    if (!new X509Certificate(certificate).checkPrivateKey(privateKey)) {
      throw new Error('the key does not belong to the certificate')
    }
    return { certificate, key: importSigningKey(privateKey) }
  } catch (error) {
    throw new Error(
      `Cannot use the certificate authority in ${caFile} and ${keyFile}: ${errorMessage(error)}. Restore them, or remove both to create a new one (clients must then trust the new file)`,
      { cause: error },
    )
  }
}
