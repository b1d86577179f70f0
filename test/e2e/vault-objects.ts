import { createPublicKey } from 'node:crypto'
import type { LabRole } from '#lab/home'
import { until } from '../support/eventually.ts'
import type { Lab } from '../support/lab.ts'

/** Gives us, the administrator, a role on the data of one vault. */
export async function grantVaultData({ azure }: Lab, role: LabRole['role'], vault: string): Promise<void> {
  await azure.assignRole({ role, vault, principalId: await azure.principalId() })
}

/** Creates a key and gives its public half as PEM. */
export async function createKey({ azure }: Lab, vault: string, name: string, kind: object): Promise<string> {
  const { key } = await azure.vault<{ key: Record<string, unknown> }>('POST', vault, `/keys/${name}/create`, kind)
  const { kty, crv, x, y, n, e } = key
  return createPublicKey({ key: { kty, crv, x, y, n, e }, format: 'jwk' } as Parameters<typeof createPublicKey>[0])
    .export({ format: 'pem', type: 'spki' })
    .toString()
}

/** Creates a self-signed certificate, stored as PFX, and waits until it is issued. */
export async function createCertificate({ azure }: Lab, vault: string, name: string, subject: string): Promise<void> {
  const policy = {
    key_props: { exportable: true, kty: 'RSA', key_size: 2048, reuse_key: false },
    secret_props: { contentType: 'application/x-pkcs12' },
    x509_props: { subject },
    issuer: { name: 'Self' },
  }
  await azure.vault('POST', vault, `/certificates/${name}/create`, { policy })
  await until(`certificate ${name}`, async () => {
    const { status } = await azure.vault<{ status: string }>('GET', vault, `/certificates/${name}/pending`)
    return status === 'completed' || undefined
  })
}
