import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AzureIdentity, AzureIdentityBinding } from '#kubernetes/client'
import { type BoundPod, matchPods } from './match-pods.ts'

const apiVersion = 'aadpodidentity.k8s.io/v1'
const resourceID = (name: string) =>
  `/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`

const identity = (
  name: string,
  more: { namespace?: string; spec?: AzureIdentity['spec']; behaviour?: string } = {},
): AzureIdentity => ({
  apiVersion,
  kind: 'AzureIdentity',
  metadata: {
    name,
    namespace: more.namespace ?? 'default',
    resourceVersion: '1',
    annotations: {
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      ...(more.behaviour !== undefined && { 'aadpodidentity.k8s.io/Behavior': more.behaviour }),
    },
  },
  spec: more.spec ?? { type: 0, resourceID: resourceID(name), clientID: `client-${name}` },
})

const binding = (name: string, more: { namespace?: string; selector?: string } = {}): AzureIdentityBinding => ({
  apiVersion,
  kind: 'AzureIdentityBinding',
  metadata: { name: `${name}-binding`, namespace: more.namespace ?? 'default', resourceVersion: '1' },
  spec: { azureIdentity: name, selector: more.selector ?? name },
})

const pod = (name: string, selector: string, namespace = 'default'): BoundPod => ({
  name,
  namespace,
  selector,
  nodeName: 'node-0',
})

function match(
  state: { pods: BoundPod[]; identities: AzureIdentity[]; bindings: AzureIdentityBinding[] },
  forceNamespaced = false,
) {
  const { desired, problems } = matchPods(state, { forceNamespaced })
  return { names: [...desired.keys()], problems: problems.map(({ message }) => message), desired }
}

test('a pod gets the identities of every binding whose selector is its label, to the letter', () => {
  const { names, desired } = match({
    pods: [pod('web', 'shop'), pod('other', 'Shop'), pod('none', '')],
    identities: [identity('a'), identity('b')],
    bindings: [binding('a', { selector: 'shop' }), binding('b', { selector: 'shop' })],
  })
  assert.deepEqual(names, ['default/web-default-a', 'default/web-default-b'])
  const wanted = desired.get('default/web-default-a')
  assert.deepEqual(wanted?.metadata.labels, { nodename: 'node-0' })
  assert.deepEqual(wanted?.spec.azureIdentityRef.metadata, { name: 'a', namespace: 'default', resourceVersion: '1' })
  assert.deepEqual(wanted?.status, { status: 'Created', availableReplicas: 1 })
})

test('MIC id map: an identity of type 0 needs a resource id, one of type 1 does not, and each is kept per namespace', () => {
  const { names, problems } = match({
    pods: [pod('web', 'shop'), pod('web', 'shop', 'team')],
    identities: [
      identity('good'),
      identity('bad', { spec: { type: 0, resourceID: 'shop', clientID: 'c' } }),
      identity('principal', { spec: { type: 1, clientID: 'c' } }),
      identity('good', { namespace: 'team', behaviour: 'namespaced' }),
    ],
    bindings: [
      binding('good', { selector: 'shop' }),
      binding('bad', { selector: 'shop' }),
      binding('principal', { selector: 'shop' }),
      binding('good', { selector: 'shop', namespace: 'team' }),
    ],
  })
  assert.deepEqual(names.toSorted(), [
    'default/web-default-good',
    'default/web-default-principal',
    'default/web-team-good',
    'default/web-team-principal',
    'team/web-team-good',
  ])
  assert.match(
    problems.join('\n'),
    /spec.resourceID: found "shop", expected \/subscriptions\/.*written resourceID and clientID/,
  )
})

test('a binding whose identity is not in its own namespace has no effect', () => {
  const { names } = match({
    pods: [pod('web', 'shop')],
    identities: [identity('a', { namespace: 'elsewhere' })],
    bindings: [binding('a', { selector: 'shop' })],
  })
  assert.deepEqual(names, [])
})

test('identities match across namespaces by default, and within one only when that is forced or annotated', () => {
  const state = (behaviour?: string) => ({
    pods: [pod('web', 'shop', 'team')],
    identities: [identity('a', behaviour === undefined ? {} : { behaviour })],
    bindings: [binding('a', { selector: 'shop' })],
  })
  assert.deepEqual(match(state()).names, ['default/web-team-a'])
  assert.deepEqual(match(state('namespaced')).names, [])
  assert.deepEqual(match(state('Namespaced')).names, ['default/web-team-a'], 'the value has its case')
  assert.deepEqual(match(state(), true).names, [])
})

test('MIC namespaced: the same names in two namespaces are two assignments', () => {
  const both = ['one', 'two']
  const { names, problems } = match(
    {
      pods: both.map((namespace) => pod('web', 'shop', namespace)),
      identities: both.map((namespace) => identity('a', { namespace })),
      bindings: both.map((namespace) => binding('a', { namespace, selector: 'shop' })),
    },
    true,
  )
  assert.deepEqual(names, ['one/web-one-a', 'two/web-two-a'])
  assert.deepEqual(problems, [])
})

test('of two bindings in two namespaces that give the same name the lexically smaller one is used, and the other gets a problem', () => {
  const namespaces = ['zoo', 'ant']
  const { desired, problems } = match({
    pods: [pod('web', 'shop')],
    identities: namespaces.map((namespace) => identity('a', { namespace })),
    bindings: namespaces.map((namespace) => binding('a', { namespace, selector: 'shop' })),
  })
  assert.equal(desired.get('default/web-default-a')?.spec.azureIdentityRef.metadata.namespace, 'ant')
  assert.match(problems.join('\n'), /pod default\/web gets the AzureIdentity ant\/a; zoo\/a would have the same/)
})
