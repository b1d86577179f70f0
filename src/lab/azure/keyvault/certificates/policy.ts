import { z } from 'zod'
import { type Curve, curveSizes, curves, rsaSizes } from '../keys/generate-key.ts'
import { type LifetimeAction, lifetimeActionSchema } from './lifetime.ts'

export const pfxType = 'application/x-pkcs12'
export const pemType = 'application/x-pem-file'

const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

/** Server and client authentication. */
const defaultEkus = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']

const keyProperties = z.object({
  exportable: z.boolean().nullish(),
  kty: z.enum(['RSA', 'EC']).nullish(),
  key_size: z.union([...rsaSizes, 256, 384, 521].map((size) => z.literal(size))).nullish(),
  crv: z.enum(Object.keys(curves) as [Curve, ...Curve[]]).nullish(),
  reuse_key: z.boolean().nullish(),
})

const names = z.array(z.string()).nullish()

const x509Properties = z.object({
  subject: z.string().nullish(),
  sans: z.object({ dns_names: names, emails: names, upns: names }).nullish(),
  ekus: z.array(z.string()).nullish(),
  key_usage: z.array(z.enum(keyUsages)).nullish(),
  validity_months: z.number().int().min(1).max(120).nullish(),
})

/** A policy as clients send it: any field may be missing. https://learn.microsoft.com/rest/api/keyvault/certificates/create-certificate */
export const policySchema = z.object({
  key_props: keyProperties.nullish(),
  secret_props: z.object({ contentType: z.enum([pfxType, pemType]).nullish() }).nullish(),
  x509_props: x509Properties.nullish(),
  issuer: z.object({ name: z.string().nullish(), cty: z.string().nullish() }).nullish(),
  lifetime_actions: z.array(lifetimeActionSchema).nullish(),
})

export type GivenPolicy = z.output<typeof policySchema>

/** A complete policy. */
export interface CertificatePolicy {
  key_props: { exportable: boolean; kty: 'RSA' | 'EC'; key_size: number; crv?: Curve | undefined; reuse_key: boolean }
  secret_props: { contentType: typeof pfxType | typeof pemType }
  x509_props: {
    subject: string
    sans: { dns_names?: string[] | undefined; emails?: string[] | undefined; upns?: string[] | undefined }
    ekus: string[]
    key_usage: (typeof keyUsages)[number][]
    validity_months: number
  }
  issuer: { name: string; cty?: string | undefined }
  lifetime_actions: LifetimeAction[]
}

/** The policy with Azure's defaults. */
export function completePolicy(given: GivenPolicy): CertificatePolicy {
  const { x509_props: x509, issuer, lifetime_actions: actions } = given
  const { dns_names, emails, upns } = x509?.sans ?? {}
  const issuerName = nameOfIssuer(issuer?.name ?? 'Unknown')
  return {
    key_props: completeKeyProperties(given.key_props ?? {}),
    secret_props: { contentType: given.secret_props?.contentType ?? pfxType },
    x509_props: {
      subject: x509?.subject ?? '',
      sans: { dns_names: dns_names ?? undefined, emails: emails ?? undefined, upns: upns ?? undefined },
      ekus: x509?.ekus ?? defaultEkus,
      key_usage: x509?.key_usage ?? ['digitalSignature', 'keyEncipherment'],
      validity_months: x509?.validity_months ?? 12,
    },
    issuer: { name: issuerName, cty: issuer?.cty || undefined },
    lifetime_actions: actions ?? [defaultLifetimeAction(issuerName)],
  }
}

/** A certificate of an unknown issuer cannot be renewed automatically: its contacts are notified. */
function defaultLifetimeAction(issuerName: string): LifetimeAction {
  const action_type = issuerName === 'Unknown' ? 'EmailContacts' : 'AutoRenew'
  return { trigger: { lifetime_percentage: 80, days_before_expiry: undefined }, action: { action_type } }
}

/** The two names that Key Vault reserves have no case. */
function nameOfIssuer(name: string): string {
  return ['Self', 'Unknown'].find((reserved) => reserved.toLowerCase() === name.toLowerCase()) ?? name
}

/** The policy with the given fields replaced. */
export function changePolicy(policy: CertificatePolicy, given: GivenPolicy): CertificatePolicy {
  const complete = completePolicy(given)
  return {
    key_props: given.key_props == null ? policy.key_props : complete.key_props,
    secret_props: given.secret_props == null ? policy.secret_props : complete.secret_props,
    x509_props: changeX509(policy.x509_props, given.x509_props ?? {}, complete.x509_props),
    issuer: given.issuer == null ? policy.issuer : complete.issuer,
    lifetime_actions: given.lifetime_actions ?? policy.lifetime_actions,
  }
}

type X509Properties = CertificatePolicy['x509_props']

function changeX509(
  before: X509Properties,
  given: Partial<Record<keyof X509Properties, unknown>>,
  complete: X509Properties,
) {
  const names = (Object.keys(before) as (keyof X509Properties)[]).filter((name) => given[name] != null)
  return { ...before, ...Object.fromEntries(names.map((name) => [name, complete[name]])) }
}

function completeKeyProperties({ exportable, kty = 'RSA', key_size, crv, reuse_key }: z.output<typeof keyProperties>) {
  const common = { exportable: exportable ?? true, reuse_key: reuse_key ?? false }
  if (kty !== 'EC') return { ...common, kty: 'RSA' as const, key_size: key_size ?? 2048 }
  const bySize = (Object.keys(curveSizes) as Curve[]).find((name) => curveSizes[name] === key_size)
  const curve = crv ?? bySize ?? 'P-256'
  return { ...common, kty, crv: curve, key_size: curveSizes[curve] }
}
