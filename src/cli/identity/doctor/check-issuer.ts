import { HttpFault, type HttpSend } from '#lib/http'
import type { Answer } from '../../answer.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'
import type { SignIn } from './sign-in.ts'

export interface IssuerFacts {
  /** As the cluster's tokens name it. */
  issuer: Answer<string>
  /** Key id in the header of a token of the service account; undefined when none could be had. */
  keyId: string | undefined
  discovery: Answer<Fetched>
  /** What Entra said to tokens of this issuer just now. */
  signIns: readonly SignIn[]
}

/** The two documents, as somebody without credentials gets them. */
export interface Fetched {
  issuer: string
  keys: readonly { kid?: string; alg?: string; kty?: string }[]
  /** Whether the certificate is one that the cluster has signed itself. */
  privateCa: boolean
}

/**
 * Fetches what Entra fetches. A certificate of the cluster's own CA is accepted and told: Entra would not take it, the local
 * Azure does.
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
  // The API server answers in these types only; a static site does not look.
  const { status, body } = await send({ url, headers: { accept: 'application/json, application/jwk-set+json' } })
  if (status !== 200) throw new Error(`GET ${url} without credentials answers ${status}`)
  return JSON.parse(body.toString('utf8'))
}

/** At most as many keys of an issuer does Entra keep. */
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
  if (accepted) return note('issuer', `${issuer} cannot be reached from here (${why}), but from Azure it can`)
  const text = `${issuer} must be readable from the internet without credentials: ${why}`
  return problem('issuer', text, [
    'AKS: az aks update --name CLUSTER --resource-group GROUP --enable-oidc-issuer',
    'own cluster: keymount identity jwks --from-cluster --issuer-url URL --output-dir SITE  # and put SITE behind that URL',
  ])
}

function checkDocuments(issuer: string, { issuer: named, keys }: Fetched, keyId: string | undefined): Finding[] {
  const same =
    named === issuer
      ? []
      : [
          problem(
            'discovery',
            `its document names the issuer ${JSON.stringify(named)}, the tokens ${JSON.stringify(issuer)}: they must be the same to the last slash`,
          ),
        ]
  return [...same, keyFinding(keys, keyId)]
}

function keyFinding(keys: Fetched['keys'], keyId: string | undefined): Finding {
  if (keys.length > mostKeys) return problem('keys', `${keys.length} keys are published, and Entra keeps ${mostKeys}`)
  if (keyId === undefined) return ok('keys', `${keys.length} published`)
  const key = keys.find(({ kid }) => kid === keyId)
  if (key === undefined) {
    const text = `the key of current tokens (${keyId}) is not among the ${keys.length} that are published: they are of before a change of keys`
    return problem('keys', text, [
      'keymount identity jwks --from-cluster --output-file jwks  # and publish it at the issuer’s jwks_uri',
    ])
  }
  if (key.kty !== undefined && key.kty !== 'RSA') {
    return problem('keys', `tokens are signed with a key of type ${key.kty}, and Entra takes RSA (RS256) only`)
  }
  return ok('keys', `${keys.length} published, the one of current tokens among them`)
}

/** Entra says so when it could not fetch the documents; before that, nothing is known. */
const couldNotFetch = /AADSTS(90061|50166)\b/

function checkTrust({ privateCa }: Fetched, signIns: readonly SignIn[]): Finding[] {
  if (!privateCa) return []
  const text = 'the issuer’s is signed by the cluster’s own CA'
  if (signIns.some(({ kind }) => kind === 'accepted')) return [note('certificate', `${text}, which this Azure knows`)]
  const isWhy = signIns.some((signIn) => signIn.kind === 'refused' && couldNotFetch.test(signIn.words))
  const words = `${text}: the public Entra takes those of public CAs only`
  return [isWhy ? problem('certificate', words) : note('certificate', words)]
}
