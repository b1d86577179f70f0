import { parseJson, recordOf } from '#lib/formats'
import type { HttpResponse } from '#lib/http'
import { IdentityError, type IdentityErrorCode } from './identity-error.ts'
import type { Who } from './who.ts'

interface Cause {
  code: IdentityErrorCode
  /** What would be right. */
  advice: (who: Who) => string
  /** Whether the advice names what the token claims. */
  namesClaims?: true
}

/**
 * Entra's numbers, decoded. https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 * Entra names what was presented and not what the federated credential expects, so the advice states what has to be there.
 */
const causes: Record<number, Cause> = {
  50013: {
    code: 'entra-assertion-invalid',
    advice: () =>
      'the signature of the presented token does not belong to its issuer; is the cluster’s issuer URL served with the cluster’s current keys?',
  },
  50027: { code: 'entra-assertion-invalid', advice: () => 'the presented token is malformed' },
  53003: { code: 'entra-rejected', advice: () => 'a Conditional Access policy blocks this workload' },
  70021: federated('entra-no-federated-credential'),
  70025: federated('entra-no-federated-credential'),
  90002: {
    code: 'entra-tenant-not-found',
    advice: ({ tenantId }) =>
      `tenantID: found "${tenantId}"; expected the directory that holds the identity (az account show --query tenantId)`,
  },
  90061: {
    code: 'entra-issuer-unreachable',
    advice: () =>
      'Entra could not fetch the issuer’s /.well-known/openid-configuration; the issuer must be reachable from the internet',
  },
  500011: {
    code: 'entra-resource-unknown',
    advice: () => 'the tenant does not know the vault resource; does cloudName fit the tenant?',
  },
  700016: {
    code: 'entra-app-not-found',
    advice: ({ clientId, tenantId }) =>
      `clientID: found "${clientId}"; expected the client id (not the object id) of an application or managed identity of tenant ${tenantId}`,
  },
  700024: {
    code: 'entra-assertion-expired',
    advice: () => 'the presented token is outside its time of validity; is the node’s clock right?',
  },
  700027: {
    code: 'entra-certificate-unknown',
    advice: () => 'upload the certificate to the application: az ad app credential reset --append --cert @cert.pem',
  },
  700211: federated('entra-issuer-mismatch'),
  700212: federated('entra-audience-mismatch'),
  700213: federated('entra-subject-mismatch'),
  7000112: { code: 'entra-app-not-found', advice: () => 'the application is disabled' },
  7000214: federated('entra-no-federated-credential'),
  7000215: {
    code: 'entra-client-secret-wrong',
    advice: () =>
      'clientsecret in the nodePublishSecretRef Secret must be the secret’s value, not its id (az ad app credential reset)',
  },
  7000222: {
    code: 'entra-client-secret-expired',
    advice: () =>
      'create a new client secret and put it in the nodePublishSecretRef Secret (az ad app credential reset)',
  },
  7002138: federated('entra-subject-case-mismatch', 'subjects are compared with their case; '),
}

/** Reads Entra's refusal: `{"error":…,"error_description":"AADSTS…","error_codes":[…]}`. */
export function entraError(who: Who, authority: string, { status, body }: HttpResponse): IdentityError {
  const answer = parseBody(body)
  const numbers = Array.isArray(answer.error_codes) ? answer.error_codes : []
  const description = typeof answer.error_description === 'string' ? answer.error_description : ''
  const number = numbers.map(Number).find((one) => one in causes) ?? Number(/AADSTS(\d+)/.exec(description)?.[1])
  const cause = causes[number]
  const words = description === '' ? `HTTP ${status}` : essence(description)
  if (status === 429) {
    return new IdentityError(
      'entra-throttled',
      `${authority} asks for fewer sign-ins (HTTP 429: ${words}); signed in as ${who.description}`,
      {
        retryable: true,
      },
    )
  }
  if (status >= 500) {
    return new IdentityError(
      'entra-unreachable',
      `${authority} cannot sign in anyone now (HTTP ${status}: ${words}); signed in as ${who.description}`,
      { retryable: true },
    )
  }
  const advice = cause?.advice(who)
  // Who it was is last, because an event may be cut off there, and without what the advice has named.
  const identity = cause?.namesClaims === true && who.claims !== undefined ? who.brief : undefined
  const parts = [
    `${who.sdkName} authentication failed. ${words}`,
    advice,
    `signed in as ${identity ?? who.description}`,
  ]
  return new IdentityError(cause?.code ?? 'entra-rejected', parts.filter((part) => part !== undefined).join('; '))
}

/** The refusal of the token proxy of a cluster, which speaks for RBAC of that cluster and for the identity binding. */
export function bindingRefusal({ clientId, description }: Who, { body }: HttpResponse): IdentityError {
  const answer = parseBody(body)
  const words = typeof answer.error_description === 'string' ? essence(answer.error_description) : 'HTTP 403'
  const advice = `the account needs the verb use-managed-identity on ${clientId} in the API group cid.wi.aks.azure.com (ClusterRole, ClusterRoleBinding), and the cluster an identity binding`
  return new IdentityError(
    'identity-binding-refused',
    `the token proxy of the cluster refuses: ${words}; ${advice}; signed in as ${description}`,
  )
}

/** Of Entra's own words. */
const maxWordsLength = 300

/** Sentences without information about the case; an event has room for 1,024 characters only. */
const boilerplate = /^(Check |This can happen|This may happen|You may have|For help|Please |https:)/

/** The text up to the trace ids and timestamps, which differ each time and would make every event a new one. */
function essence(description: string): string {
  const traces = description.search(/(?:Trace ID|Correlation ID|Timestamp):/)
  const text = (traces === -1 ? description : description.slice(0, traces)).replace(/\s+/g, ' ').trim()
  const sentences = sentencesOf(text)
  return sentences
    .filter((sentence) => !boilerplate.test(sentence))
    .join(' ')
    .trim()
    .slice(0, maxWordsLength)
    .replace(/\.$/, '')
}

/** Sentences of a text with single spaces; an address is one of its own. */
function sentencesOf(text: string): string[] {
  const sentences: string[][] = []
  let previous = ''
  for (const word of text.split(' ')) {
    const starts = /[.!]$/.test(previous) || previous.includes('https:') || word.startsWith('https:')
    if (starts || sentences.length === 0) sentences.push([word])
    else sentences.at(-1)?.push(word)
    previous = word
  }
  return sentences.map((words) => words.join(' '))
}

/** For a token that fits no federated credential. @param before further advice. */
function federated(code: IdentityErrorCode, before = ''): Cause {
  return {
    code,
    namesClaims: true,
    advice({ claims }) {
      if (claims === undefined) return 'no federated credential matches'
      const { issuer, subject, audiences } = claims
      const expected = `issuer "${issuer}", subject "${subject}", audience "${audiences[0] ?? ''}"`
      return `${before}the client needs a federated credential with exactly ${expected} (az identity federated-credential create)`
    },
  }
}

function parseBody(body: Buffer): Record<string, unknown> {
  try {
    return recordOf(parseJson('the answer', body)) ?? {}
  } catch {
    return {}
  }
}
