import { type ParseObjects, parseParameters } from '#azure/class'
import { tokenHolders } from '#azure/identity'
import { serviceAccountAnnotationsAttribute } from '#kubernetes/provider-protocol'
import { orUndefined, type Problems } from '#lib'
import { parseJson, textsOf } from '#lib/formats'
import type { MountSpec, PodRef } from './mount-spec.ts'
import type { DecodedRequest } from './parse-mount-request.ts'

const podName = 'csi.storage.k8s.io/pod.name'
const podNamespace = 'csi.storage.k8s.io/pod.namespace'
const serviceAccountName = 'csi.storage.k8s.io/serviceAccount.name'
const tokensAttribute = 'csi.storage.k8s.io/serviceAccount.tokens'

/** What one volume needs: its class, for its pod. Every problem goes to `problems`; the result is valid only without any. */
export function parseMount(request: DecodedRequest, problems: Problems, parse: ParseObjects): MountSpec {
  const { attributes, secrets, permission } = request
  const attribute = (name: string) => (attributes.get(name) ?? '').trim()
  const pod = {
    name: attribute(podName),
    namespace: attribute(podNamespace),
    serviceAccount: attribute(serviceAccountName),
    accountAnnotations: accountAnnotationsOf(attributes.get(serviceAccountAnnotationsAttribute)),
  }
  if (pod.name === '')
    problems.add(
      '',
      `pod name is not provided (attribute ${podName}; does the CSIDriver object have podInfoOnMount: true?)`,
    )
  if (pod.namespace === '') problems.add('', `pod namespace is not provided (attribute ${podNamespace})`)
  const serviceAccountTokens = tokensOf(request)
  checkHolder(pod, serviceAccountTokens, problems)
  const spec = parseParameters(attributes, problems, parse)
  return {
    ...spec,
    pod,
    identity: {
      ...spec.identity,
      serviceAccountTokens,
      secrets: withoutTokens(secrets),
    },
    defaultMode: permission & 0o777,
  }
}

function accountAnnotationsOf(text: string | undefined): Record<string, string> | undefined {
  return text === undefined
    ? undefined
    : orUndefined(() => textsOf(parseJson(serviceAccountAnnotationsAttribute, text)))
}

/**
 * The driver takes pod and tokens from kubelet and gives the pod's attributes no other source. Where a driver lets a class set
 * them, a class could name another namespace's pod, whose annotations and bindings would then decide who signs in: the tokens
 * show it.
 */
function checkHolder(pod: PodRef, tokens: string, problems: Problems): void {
  const other = tokenHolders(tokens).find(
    ({ namespace, podName }) => namespace !== pod.namespace || (podName !== undefined && podName !== pod.name),
  )
  if (other === undefined || pod.namespace === '' || pod.name === '') return
  const holder = `${other.namespace}/${other.podName ?? '*'}`
  problems.add(
    '',
    `pod ${pod.namespace}/${pod.name} comes with a service account token of ${holder}; a class must not set attributes under csi.storage.k8s.io/`,
  )
}

/** A driver with `serviceAccountTokenInSecrets` sends the tokens among the secrets; that is not a `nodePublishSecretRef`. */
function tokensOf({ attributes, secrets }: DecodedRequest): string {
  const attribute = (attributes.get(tokensAttribute) ?? '').trim()
  return attribute === '' ? (secrets?.get(tokensAttribute)?.revealText() ?? '') : attribute
}

function withoutTokens(secrets: DecodedRequest['secrets']): DecodedRequest['secrets'] {
  if (secrets?.has(tokensAttribute) !== true) return secrets
  const rest = new Map([...secrets].filter(([key]) => key !== tokensAttribute))
  return rest.size === 0 ? undefined : rest
}
