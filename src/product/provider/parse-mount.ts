import { type ParseObjects, parseParameters } from '#azure/class'
import type { Problem } from '#lib'
import type { MountSpec } from './mount-spec.ts'
import type { DecodedRequest } from './parse-mount-request.ts'

const podName = 'csi.storage.k8s.io/pod.name'
const podNamespace = 'csi.storage.k8s.io/pod.namespace'
const serviceAccountName = 'csi.storage.k8s.io/serviceAccount.name'
const serviceAccountTokens = 'csi.storage.k8s.io/serviceAccount.tokens'

/** A request as one typed wish: what its class says, for its pod. Every problem goes to `problems`; the wish is only good when there is none. */
export function parseMount(request: DecodedRequest, problems: Problem[], parse: ParseObjects): MountSpec {
  const { attributes, secrets, permission } = request
  const attribute = (name: string) => (attributes.get(name) ?? '').trim()
  const wrong = (message: string) => problems.push({ path: '', message })
  const pod = {
    name: attribute(podName),
    namespace: attribute(podNamespace),
    serviceAccount: attribute(serviceAccountName),
  }
  if (pod.name === '')
    wrong(`pod name is not provided (attribute ${podName}; does the CSIDriver object have podInfoOnMount: true?)`)
  if (pod.namespace === '') wrong(`pod namespace is not provided (attribute ${podNamespace})`)
  const spec = parseParameters(attributes, problems, parse)
  return {
    ...spec,
    pod,
    identity: {
      ...spec.identity,
      serviceAccountTokens: tokensOf(request),
      secrets: withoutTokens(secrets),
    },
    defaultMode: permission & 0o777,
  }
}

/** A driver with `serviceAccountTokenInSecrets` sends the tokens among the secrets; that makes no `nodePublishSecretRef`. */
function tokensOf({ attributes, secrets }: DecodedRequest): string {
  const attribute = (attributes.get(serviceAccountTokens) ?? '').trim()
  return attribute === '' ? (secrets?.get(serviceAccountTokens)?.revealText() ?? '') : attribute
}

function withoutTokens(secrets: DecodedRequest['secrets']): DecodedRequest['secrets'] {
  if (secrets?.has(serviceAccountTokens) !== true) return secrets
  const rest = new Map([...secrets].filter(([key]) => key !== serviceAccountTokens))
  return rest.size === 0 ? undefined : rest
}
