import type { KubeClient } from '#kubernetes/client'
import { parseJson, valueAt } from '#lib/formats'
import { attempt } from '../answer.ts'

/** What the caller may do in a namespace: buttons for anything else are not shown. */
export interface Rights {
  rotate: boolean
  doctor: boolean
}

const needs = {
  rotate: { verb: 'patch', group: 'secrets-store.csi.x-k8s.io', resource: 'secretproviderclasses' },
  doctor: { verb: 'get', group: '', resource: 'pods' },
} as const

const heldMs = 60_000
const maxHeld = 1000

/** Asks the API server, once a minute for each namespace. https://kubernetes.io/docs/reference/access-authn-authz/authorization/ */
export function createRights(kube: KubeClient): (namespace: string) => Promise<Rights> {
  const held = new Map<string, { until: number; rights: Promise<Rights> }>()
  return (namespace) => {
    const known = held.get(namespace)
    if (known !== undefined && known.until > performance.now()) return known.rights
    if (held.size >= maxHeld) held.clear()
    const rights = ask(kube, namespace)
    held.set(namespace, { until: performance.now() + heldMs, rights })
    return rights
  }
}

async function ask(kube: KubeClient, namespace: string): Promise<Rights> {
  const [rotate, doctor] = await Promise.all([
    isAllowed(kube, namespace, 'rotate'),
    isAllowed(kube, namespace, 'doctor'),
  ])
  return { rotate, doctor }
}

async function isAllowed(kube: KubeClient, namespace: string, action: keyof typeof needs): Promise<boolean> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { namespace, ...needs[action] } },
  }
  const answer = await attempt(() =>
    kube.raw({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(review),
    }),
  )
  return 'value' in answer && valueAt(parseJson('the review', answer.value), 'status', 'allowed') === true
}
