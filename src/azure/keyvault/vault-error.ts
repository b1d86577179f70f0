import { CodedError } from '#lib'
import { HttpFault, type HttpResponse, isPassing } from '#lib/http'
import { type ObjectRef, singular } from './object-id.ts'
import type { Vault } from './vault-address.ts'
import type { VaultErrorWire } from './wire.ts'

/** Stable names of the causes why a vault gave nothing; `docs/errors.md` explains each. */
export const vaultErrorCodes = [
  'vault-answer-invalid',
  'vault-bad-request',
  'vault-challenge-refused',
  'vault-connection-failed',
  'vault-connection-refused',
  'vault-error',
  'vault-firewall',
  'vault-forbidden',
  'vault-name-not-resolved',
  'vault-object-deleted',
  'vault-object-disabled',
  'vault-object-expired',
  'vault-object-missing',
  'vault-proxy-refused',
  'vault-throttled',
  'vault-timeout',
  'vault-tls-failed',
  'vault-unauthorized',
] as const

export type VaultErrorCode = (typeof vaultErrorCodes)[number]

/** Nothing came out of the vault, and why. */
export class VaultError extends CodedError<VaultErrorCode> {
  override readonly name = 'VaultError'
}

/** What kept us from an answer. A caller who left gets its own reason back. */
export function transportError(vault: Vault, error: unknown): unknown {
  if (!(error instanceof HttpFault)) return error
  const at = `vault "${vault.name}" (${vault.origin})`
  const fail = (code: VaultErrorCode, advice: string) =>
    new VaultError(code, `${at}: ${error.message}; ${advice}`, { cause: error, passing: true })
  switch (error.kind) {
    case 'aborted':
      return error
    case 'dns':
      return fail(
        'vault-name-not-resolved',
        'is keyvaultName right, and does cloudName fit? A private endpoint needs its DNS zone linked to the cluster’s network',
      )
    case 'refused':
      return fail(
        'vault-connection-refused',
        'something on the way refuses connections; check firewall and network policy from a hostNetwork pod',
      )
    case 'tls':
      return fail(
        'vault-tls-failed',
        'a proxy that inspects TLS needs its CA in SSL_CERT_FILE or NODE_EXTRA_CA_CERTS of the provider',
      )
    case 'proxy':
      return fail(
        'vault-proxy-refused',
        'is keyvaultName right? Does the proxy (HTTPS_PROXY) allow this host, or does it belong into NO_PROXY?',
      )
    case 'timeout':
      return fail(
        'vault-timeout',
        'context deadline exceeded: check egress, firewall and private endpoint from a hostNetwork pod of this node',
      )
    case 'throttled':
      return fail('vault-throttled', 'the vault’s request limit is used up; this node leaves it alone until then')
    default:
      return fail('vault-connection-failed', 'check egress and firewall from a hostNetwork pod of this node')
  }
}

/** What the vault said instead of giving the object. */
export function answerError(vault: Vault, ref: ObjectRef, response: HttpResponse): VaultError {
  const { status } = response
  const { error = {} } = parseError(response.body)
  const inner = error.innererror?.code ?? ''
  const what = `${singular(ref.collection)} "${ref.name}"${ref.version === '' ? '' : ` version ${ref.version}`}`
  const where = `vault "${vault.name}" (${vault.origin})`
  const said = `RESPONSE ${status}, ERROR CODE: ${[error.code, inner].filter(Boolean).join('/') || 'none'}`
  const own = error.message === undefined ? '' : `: ${oneLine(error.message)}`
  const fail = (code: VaultErrorCode, text: string, options: { passing?: boolean } = {}) =>
    new VaultError(code, `${text}; ${said}`, options)

  switch (status) {
    case 400:
      return fail('vault-bad-request', `${where} refuses the request for ${what}${own}`)
    case 401:
      return fail(
        'vault-unauthorized',
        `${where} does not accept the token; does the vault belong to the tenant of the class${own}`,
      )
    case 403:
      break
    case 404:
      if (error.code === 'VaultNotFound')
        return fail('vault-name-not-resolved', `there is no ${where}; check keyvaultName`)
      return fail('vault-object-missing', `${what} is not in ${where}; check objectName and objectType`)
    case 429:
      return fail('vault-throttled', `${where} asks for fewer requests`, { passing: true })
    default:
      return fail('vault-error', `${where} cannot answer for ${what}${own}`, { passing: isPassing(response) })
  }
  if (/Disabled$/.test(inner)) {
    return fail('vault-object-disabled', `${what} in ${where} is disabled; enable it, or name an enabled objectVersion`)
  }
  if (/Expired$|NotYetValid$/.test(inner)) {
    return fail('vault-object-expired', `${what} in ${where} is outside its time of validity`)
  }
  if (inner === 'ForbiddenByFirewall') {
    return fail(
      'vault-firewall',
      `the firewall of ${where} keeps this node out; allow its address or use a private endpoint`,
    )
  }
  return fail('vault-forbidden', `${where} does not let this identity read ${what}; ${missingRight(ref)}`)
}

/** https://learn.microsoft.com/azure/key-vault/general/rbac-guide */
function missingRight({ collection }: ObjectRef): string {
  const role = {
    secrets: 'Key Vault Secrets User',
    keys: 'Key Vault Crypto User',
    certificates: 'Key Vault Certificate User',
  }
  return `grant the role "${role[collection]}" on the vault, or the access policy permission "get" on ${collection} (a new role may take up to 10 minutes)`
}

function parseError(body: Buffer): VaultErrorWire {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 400)
}
