import { createPrivateKey } from 'node:crypto'
import { createAuthority, exportPrivateKey } from '#lib/formats'

/** A certificate as a vault returns it, and the parts of it in a TLS Secret. */
export interface SimulatedCertificate {
  pem: string
  /** PEM of the certificate, and of the key in the form of its type. */
  crt: string
  key: string
}

/** Issued once per process: what they hold does not change what happens in a run. */
const pool: readonly SimulatedCertificate[] = await Promise.all(Array.from({ length: 12 }, (_, index) => issue(index)))

async function issue(index: number): Promise<SimulatedCertificate> {
  const notBefore = new Date(Date.UTC(2025, 0, 1))
  const notAfter = new Date(Date.UTC(2035, 0, 1))
  const { certificate: crt, key } = await createAuthority({ name: `CN=certificate ${index}`, notBefore, notAfter })
  const pkcs8 = (await exportPrivateKey(key)).revealText()
  const sec1 = createPrivateKey(pkcs8).export({ format: 'pem', type: 'sec1' }).toString()
  return { pem: pkcs8 + crt, crt, key: sec1 }
}

/** The certificate of a version of an object: different vaults have different ones. @param vault its number. */
export function certificateFor(vault: number, version: number): SimulatedCertificate {
  return pool[(vault * 4 + (version % 4)) % pool.length] as SimulatedCertificate
}

/** The certificate whose PEM this is. */
export function certificateIn(pem: string): SimulatedCertificate | undefined {
  return pool.find((one) => one.pem === pem)
}
