import { SecretValue } from '#lib'
import { assertionFields, exchangeToken, tokenEndpoint } from '../exchange-token.ts'
import type { TokenRequest, TokenTransport } from '../token-request.ts'
import type { Who } from '../who.ts'
import { signClientAssertion } from './sign-client-assertion.ts'
import { authProblem, clientIdAnnotation, type Way } from './way.ts'

/** An application with a client secret or a certificate (PEM or base64 PFX), from the class's `nodePublishSecretRef`. */
export interface ServicePrincipalCredential {
  kind: 'service-principal'
  tenantId: string
  clientId: string
  proof:
    | { kind: 'secret'; secret: SecretValue }
    | { kind: 'certificate'; certificate: SecretValue; password: SecretValue | undefined }
}

/** Keys of the Kubernetes Secret are compared in any case. */
export const servicePrincipal: Way<ServicePrincipalCredential> = {
  kind: 'service-principal',
  manner: 'with a secret (nodePublishSecretRef)',
  clientIdFromAccount: false,
  usesTenant: true,
  choose({ tenantId, secrets }, problems) {
    const fail = (reason: string) => authProblem(problems, 'None', reason)
    if (secrets === undefined) {
      const ways = `name an identity: clientID in the class, or the annotation ${clientIdAnnotation} on the pod’s service account (workload identity); or nodePublishSecretRef in the volume`
      return fail(`failed to get credentials, nodePublishSecretRef secret is not set (${ways})`)
    }
    const clientId = secretNamed(secrets, 'clientid')
    if (clientId === undefined) return fail('could not find clientid in secrets')
    const proof = proofOf(secrets)
    if (proof === undefined) return fail('could not find clientsecret in secrets (nor clientcertificate)')
    return { kind: 'service-principal', tenantId, clientId: clientId.revealText().trim(), proof }
  },
  describe: (credential) => whoOf(credential).description,
  key: async ({ tenantId, clientId, proof }, { fingerprint }) => {
    const print = proof.kind === 'secret' ? fingerprint(proof.secret) : fingerprint(proof.certificate, proof.password)
    return { parts: [tenantId, clientId, proof.kind, print], proof: 'own' }
  },
  async acquire(credential, request, transport) {
    const proof = await proofFields(credential, request, transport)
    return exchangeToken({ who: whoOf(credential), request, send: transport.send, clock: transport.clock, proof })
  },
}

function secretNamed(secrets: ReadonlyMap<string, SecretValue>, name: string): SecretValue | undefined {
  for (const [key, secret] of secrets) if (key.toLowerCase() === name && secret.size > 0) return secret
  return undefined
}

function proofOf(secrets: ReadonlyMap<string, SecretValue>): ServicePrincipalCredential['proof'] | undefined {
  const secret = secretNamed(secrets, 'clientsecret')
  if (secret !== undefined) return { kind: 'secret', secret: withoutFinalNewline(secret) }
  const certificate = secretNamed(secrets, 'clientcertificate')
  if (certificate === undefined) return undefined
  return { kind: 'certificate', certificate, password: secretNamed(secrets, 'clientcertificatepassword') }
}

/** `echo secret | base64` is how many such Secrets are made; no client secret ends in a newline. */
function withoutFinalNewline(secret: SecretValue): SecretValue {
  const text = secret.revealText()
  return /\r?\n$/.test(text) ? SecretValue.of(text.replace(/\r?\n$/, '')) : secret
}

async function proofFields(
  credential: ServicePrincipalCredential,
  { cloud, owner }: TokenRequest,
  { clock, tasks }: TokenTransport,
): Promise<Record<string, string>> {
  const { proof, clientId, tenantId } = credential
  if (proof.kind === 'secret') return { client_secret: proof.secret.revealText() }
  const audience = tokenEndpoint(tenantId, cloud).href
  const assertion = await signClientAssertion({ ...proof, clientId }, { audience, owner, clock, tasks })
  return assertionFields(assertion.revealText())
}

function whoOf({ clientId, tenantId, proof }: ServicePrincipalCredential): Who {
  return {
    description: `service principal: client ${clientId}, tenant ${tenantId}, ${proof.kind}`,
    sdkName: proof.kind === 'secret' ? 'ClientSecretCredential' : 'ClientCertificateCredential',
    tenantId,
    clientId,
  }
}
