import { CodedError } from '#lib'
import { parseJson, stringOf, valueAt } from '#lib/formats'
import { HttpFault, type HttpResponse, isPassing } from '#lib/http'
import { singular, type VaultObjectRef } from './object-id.ts'
import type { Vault } from './vault-address.ts'

/** Stable names of the causes why a vault gave nothing; `docs/errors.md` explains each. */
export type VaultErrorCode =
  | 'vault-answer-invalid'
  | 'vault-bad-request'
  | 'vault-certificate-pending'
  | 'vault-challenge-refused'
  | 'vault-connection-failed'
  | 'vault-connection-refused'
  | 'vault-error'
  | 'vault-firewall'
  | 'vault-forbidden'
  | 'vault-missing'
  | 'vault-name-not-resolved'
  | 'vault-object-deleted'
  | 'vault-object-disabled'
  | 'vault-object-expired'
  | 'vault-object-missing'
  | 'vault-proxy-failed'
  | 'vault-proxy-refused'
  | 'vault-throttled'
  | 'vault-timeout'
  | 'vault-tls-failed'
  | 'vault-unauthorized'

/** A vault gave nothing, and why. */
export class VaultError extends CodedError<VaultErrorCode> {
  override readonly name = 'VaultError'
}

/** Why there is no answer. An aborted call is passed on as it is. */
export function transportError(vault: Vault, error: unknown): unknown {
  if (!(error instanceof HttpFault)) return error
  const at = describeVault(vault)
  const fail = (code: VaultErrorCode, advice: string) =>
    new VaultError(code, `${at}: ${error.message}; ${advice}`, { cause: error, retryable: true })
  switch (error.code) {
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
        'something between node and vault refuses connections; check firewall and network policy from a hostNetwork pod',
      )
    case 'tls':
      return fail(
        'vault-tls-failed',
        'a proxy that inspects TLS needs its CA in SSL_CERT_FILE or NODE_EXTRA_CA_CERTS of the provider',
      )
    case 'proxy':
      return fail(
        'vault-proxy-refused',
        'is keyvaultName right? Does the proxy (HTTPS_PROXY) allow this host, or should NO_PROXY name it?',
      )
    case 'proxy-failed':
      return fail('vault-proxy-failed', 'check the proxy (HTTPS_PROXY), and its way to the vault')
    case 'too-large':
      return fail('vault-answer-invalid', 'is there a vault behind this address?')
    case 'timeout':
      return fail(
        'vault-timeout',
        'context deadline exceeded: check egress, firewall and private endpoint from a hostNetwork pod of this node',
      )
    case 'throttled':
      return fail('vault-throttled', 'the vault’s request limit is used up; this node waits until then')
    default:
      return fail('vault-connection-failed', 'check egress and firewall from a hostNetwork pod of this node')
  }
}

/**
 * What the vault answered instead of the object. The message does not name the object, which its reader does: so the same
 * reason of several objects is the same message.
 */
export function answerError(vault: Vault, ref: VaultObjectRef, response: HttpResponse): VaultError {
  const { status } = response
  const refusal = readRefusal(response.body)
  const where = describeVault(vault)
  const codes = [refusal.code, refusal.inner].filter(Boolean).join('/') || 'none'
  const own = refusal.words === '' ? '' : `: ${refusal.words}`
  const fail = (code: VaultErrorCode, text: string, options: { retryable?: boolean } = {}) =>
    new VaultError(code, `${text}; RESPONSE ${status}, ERROR CODE: ${codes}${status === 404 ? '' : own}`, options)

  switch (status) {
    case 400:
      return fail('vault-bad-request', `${where} refuses the request; check objectName and objectVersion`)
    case 401:
      return fail('vault-unauthorized', `${where} does not accept the token; does tenantID name the vault’s tenant?`)
    case 403: {
      const { code, text } = forbidden(refusal, ref, where)
      return fail(code, text)
    }
    case 404:
      if (refusal.code === 'VaultNotFound') return fail('vault-missing', `there is no ${where}; check keyvaultName`)
      return fail('vault-object-missing', `not in ${where}; check ${fieldsOf(ref)}`)
    case 429:
      return fail('vault-throttled', `${where} asks for fewer requests`, { retryable: true })
    case 408:
      return fail('vault-timeout', `${where} waited too long for the request`, { retryable: true })
    default:
      if (status < 500) return fail('vault-answer-invalid', `${where} answers what no vault answers`)
      return fail('vault-error', `${where} cannot answer`, { retryable: isPassing(response) })
  }
}

export function deletedError(vault: Vault, ref: VaultObjectRef): VaultError {
  const recover = `az keyvault ${singular(ref.collection)} recover --vault-name ${vault.name} --name ${ref.name}`
  return new VaultError(
    'vault-object-deleted',
    `deleted from ${describeVault(vault)}, and can be recovered: ${recover}; RESPONSE 404`,
  )
}

export function pendingError(vault: Vault, { name }: VaultObjectRef): VaultError {
  const show = `az keyvault certificate pending show --vault-name ${vault.name} --name ${name}`
  return new VaultError(
    'vault-certificate-pending',
    `not issued yet: the certificate’s request is pending in ${describeVault(vault)}; see ${show}`,
  )
}

function describeVault({ name, origin }: Vault): string {
  return `vault "${name}" (${origin})`
}

function fieldsOf({ version }: VaultObjectRef): string {
  return version === ''
    ? 'objectName and objectType'
    : 'objectVersion (empty for the newest), objectName and objectType'
}

/** Reasons of a 403, by the inner code; the first that fits. https://learn.microsoft.com/azure/key-vault/general/rest-error-codes */
function forbidden(
  { inner, words }: Refusal,
  ref: VaultObjectRef,
  where: string,
): { code: VaultErrorCode; text: string } {
  if (/Disabled$/.test(inner)) {
    return {
      code: 'vault-object-disabled',
      text: `disabled in ${where}; enable it, or name an enabled objectVersion`,
    }
  }
  if (/Expired$|NotYetValid$/.test(inner)) {
    const advice = 'change its dates, or name an objectVersion that is valid'
    return { code: 'vault-object-expired', text: `outside its time of validity in ${where}; ${advice}` }
  }
  if (inner === 'ForbiddenByConnection') {
    const advice =
      'the vault takes no requests from public networks: give the cluster a private endpoint and its DNS zone'
    return { code: 'vault-firewall', text: `${where} refuses the network of this node; ${advice}` }
  }
  if (inner === 'ForbiddenByFirewall') {
    const advice = 'allow its address or use a private endpoint'
    return { code: 'vault-firewall', text: `the firewall of ${where} refuses this node; ${advice}` }
  }
  const refused = `${where} does not let this identity ${ref.name === '' ? 'list' : 'read'} ${ref.collection}`
  if (/DecisionReason: '?DeniedByDenyAssignment|DenyAssignmentId: '\//.test(words)) {
    const advice = 'a deny assignment forbids it, which no role overrides'
    return { code: 'vault-forbidden', text: `${refused}; ${advice}` }
  }
  return { code: 'vault-forbidden', text: `${refused}; ${missingRight(ref)}` }
}

/** https://learn.microsoft.com/azure/key-vault/general/rbac-guide */
function missingRight({ collection, name }: VaultObjectRef): string {
  const role = {
    secrets: 'Key Vault Secrets User',
    keys: 'Key Vault Crypto User',
    certificates: 'Key Vault Certificate User',
  }
  return `grant the role "${role[collection]}" on the vault, or the access policy permission "${name === '' ? 'list' : 'get'}" on ${collection} (a new role may take up to 10 minutes)`
}

interface Refusal {
  code: string
  inner: string
  /** The vault's own words on one line, without what is the same for every refusal or names caller, vault and object. */
  words: string
}

function readRefusal(body: Buffer): Refusal {
  let parsed: unknown
  try {
    parsed = parseJson('the answer', body)
  } catch {
    // A proxy's page, for example: the status is all there is.
  }
  const text = (...path: string[]) => stringOf(valueAt(parsed, 'error', ...path)) ?? ''
  return {
    code: text('code').slice(0, 100),
    inner: text('innererror', 'code').slice(0, 100),
    words: oneLine(text('message')),
  }
}

/** Lines that repeat who asked for what, or state that there is nothing. */
const uninformative =
  /^(Caller|Vault|Action|Resource):|^(If role assignments|For help)|: (null|\(not found\)|'DeniedWithNoValidRBAC')\s*$|^Caller is not authorized to perform action on resource\.$/

function oneLine(text: string): string {
  const lines = text.slice(0, 2000).split(/\r?\n/)
  const informative = lines.filter((line) => !uninformative.test(line))
  return informative.join(' ').replace(/\s+/g, ' ').trim().slice(0, 200)
}
