import { type ParseObjects, parseParameters } from '#azure/class'
import type { Problems } from '#lib'
import type { MountSpec } from './mount-spec.ts'
import type { DecodedRequest } from './parse-mount-request.ts'

const podName = 'csi.storage.k8s.io/pod.name'
const podNamespace = 'csi.storage.k8s.io/pod.namespace'
const serviceAccountName = 'csi.storage.k8s.io/serviceAccount.name'
const serviceAccountTokens = 'csi.storage.k8s.io/serviceAccount.tokens'

/** What one volume needs: its class, for its pod. Every problem goes to `problems`; the result is only good when there is none. */
export function parseMount(request: DecodedRequest, problems: Problems, parse: ParseObjects): MountSpec {
  const { attributes, secrets, permission } = request
  const attribute = (name: string) => (attributes.get(name) ?? '').trim()
  const pod = {
    name: attribute(podName),
    namespace: attribute(podNamespace),
    serviceAccount: attribute(serviceAccountName),
  }
  if (pod.name === '')
    problems.add(
      '',
      `pod name is not provided (attribute ${podName}; does the CSIDriver object have podInfoOnMount: true?)`,
    )
  if (pod.namespace === '') problems.add('', `pod namespace is not provided (attribute ${podNamespace})`)
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

/** A driver with `serviceAccountTokenInSecrets` sends the tokens among the secrets; that is not a `nodePublishSecretRef`. */
function tokensOf({ attributes, secrets }: DecodedRequest): string {
  const attribute = (attributes.get(serviceAccountTokens) ?? '').trim()
  return attribute === '' ? (secrets?.get(serviceAccountTokens)?.revealText() ?? '') : attribute
}

function withoutTokens(secrets: DecodedRequest['secrets']): DecodedRequest['secrets'] {
  if (secrets?.has(serviceAccountTokens) !== true) return secrets
  const rest = new Map([...secrets].filter(([key]) => key !== serviceAccountTokens))
  return rest.size === 0 ? undefined : rest
}
