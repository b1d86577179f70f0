import { HttpFault, type HttpSend } from '#lib/http'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'
import type { SignIn } from './sign-in.ts'

export interface IssuerFacts {
  /** As the cluster's tokens name it. */
  issuer: Answer<string>
  /** Key id in the header of a token of the service account; undefined without a token. */
  keyId: string | undefined
  discovery: Answer<Fetched>
  /** How Entra has just answered to tokens of this issuer. */
  signIns: readonly SignIn[]
}

/** The two documents, fetched without credentials. */
export interface Fetched {
  issuer: string
  keys: readonly { kid?: string; alg?: string; kty?: string }[]
  /** Whether the certificate is signed by the cluster's own CA. */
  privateCa: boolean
}

/**
 * Fetches what Entra fetches. A certificate of the cluster's own CA is accepted and reported: Entra would not accept it, the
 * local Azure does.
 */
export async function fetchIssuer(issuer: string, send: { open: HttpSend; trusting: HttpSend }): Promise<Fetched> {
  const discoveryUrl = new URL(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`)
  let fetchJson = (url: URL) => readJson(send.open, url)
  let privateCa = false
  const first = await fetchJson(discoveryUrl).catch((error: unknown) => {
    if (!(error instanceof HttpFault) || error.code !== 'tls') throw error
    privateCa = true
    fetchJson = (url: URL) => readJson(send.trusting, url)
    return fetchJson(discoveryUrl)
  })
  const { issuer: named, jwks_uri: keysUri } = first as { issuer?: string; jwks_uri?: string }
  if (keysUri === undefined || !URL.canParse(keysUri)) throw new Error(`${discoveryUrl} names no jwks_uri`)
  const { keys = [] } = (await fetchJson(new URL(keysUri))) as { keys?: Fetched['keys'] }
  return { issuer: named ?? '', keys, privateCa }
}

async function readJson(send: HttpSend, url: URL): Promise<unknown> {
  // The API server answers in these types only; a static site ignores the header.
  const { status, body } = await send({ url, headers: { accept: 'application/json, application/jwk-set+json' } })
  if (status !== 200) throw new Error(`GET ${url} without credentials answers ${status}`)
  return JSON.parse(body.toString('utf8'))
}

/** Entra reads at most this many keys of an issuer. */
const mostKeys = 100

export function checkIssuer({ issuer, keyId, discovery, signIns }: IssuerFacts): Finding[] {
  const accepted = signIns.some(({ kind }) => kind === 'accepted')
  if ('why' in issuer) return [unknown('issuer', issuer.why)]
  if ('why' in discovery) return [unreachable(issuer.value, discovery.why, accepted)]
  return [
    ok('issuer', issuer.value),
    ...checkDocuments(issuer.value, discovery.value, keyId),
    ...checkTrust(discovery.value, signIns),
  ]
}

function unreachable(issuer: string, why: string, accepted: boolean): Finding {
  if (accepted) return note('issuer', `${issuer} cannot be reached from here (${why}), but Azure can reach it`)
  const text = `${issuer} must be readable from the internet without credentials: ${why}; on AKS by the first command, elsewhere by a web site with the files that the second one writes`
  return problem('issuer', 'entra-issuer-unreachable', text, [
    'az aks update --resource-group GROUP --name CLUSTER --enable-oidc-issuer',
    commandLine('keymount', 'identity', 'jwks', '--from-cluster', '--issuer-url', issuer, '--output-dir', 'SITE'),
  ])
}

function checkDocuments(issuer: string, { issuer: named, keys }: Fetched, keyId: string | undefined): Finding[] {
  const same =
    named === issuer
      ? []
      : [
          problem(
            'discovery',
            'entra-issuer-mismatch',
            `its document has the issuer ${JSON.stringify(named)}, the tokens have ${JSON.stringify(issuer)}: they must be equal, to the last slash`,
          ),
        ]
  return [...same, keyFinding(keys, keyId)]
}

function keyFinding(keys: Fetched['keys'], keyId: string | undefined): Finding {
  if (keys.length > mostKeys)
    return problem('keys', 'entra-assertion-invalid', `${keys.length} keys are published, and Entra reads ${mostKeys}`)
  if (keyId === undefined) return ok('keys', `${keys.length} published`)
  const key = keys.find(({ kid }) => kid === keyId)
  if (key === undefined) {
    const text = `the key of current tokens (${keyId}) is not among the ${keys.length} that are published: the keys of the cluster have changed. Publish the file that the command writes at the issuer’s jwks_uri`
    return problem('keys', 'entra-assertion-invalid', text, [
      'keymount identity jwks --from-cluster --output-file jwks.json',
    ])
  }
  if (key.kty !== undefined && key.kty !== 'RSA') {
    return problem(
      'keys',
      'entra-assertion-invalid',
      `tokens are signed with a key of type ${key.kty}, and Entra accepts RSA (RS256) only`,
    )
  }
  return ok('keys', `${keys.length} published, the one of current tokens among them`)
}

/** Codes of Entra for documents that it could not fetch. */
const couldNotFetch = /AADSTS(90061|50166)\b/

function checkTrust({ privateCa }: Fetched, signIns: readonly SignIn[]): Finding[] {
  if (!privateCa) return []
  const text = 'that of the issuer is signed by the cluster’s own CA'
  if (signIns.some(({ kind }) => kind === 'accepted')) return [note('certificate', `${text}, which this Azure trusts`)]
  const isWhy = signIns.some((signIn) => signIn.kind === 'refused' && couldNotFetch.test(signIn.words))
  const words = `${text}: the public Entra accepts those of public CAs only`
  return [isWhy ? problem('certificate', 'entra-issuer-unreachable', words) : note('certificate', words)]
}
