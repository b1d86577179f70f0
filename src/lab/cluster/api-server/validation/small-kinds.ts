import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, textAt } from '../api-object.ts'
import { checkName, qualifiedName } from './names.ts'

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
export function validateLease(causes: Causes, lease: ApiObject): void {
  const duration = valueAt(lease, 'spec', 'leaseDurationSeconds')
  if (typeof duration === 'number' && duration <= 0) {
    causes.invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0')
  }
  const transitions = valueAt(lease, 'spec', 'leaseTransitions')
  if (typeof transitions === 'number' && transitions < 0) {
    causes.invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')
  }
}

/** Events of the form before events.k8s.io have no rules but for their namespace. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
export function validateEvent(causes: Causes, event: ApiObject): void {
  const namespace = event.metadata.namespace ?? ''
  const about = textAt(event, 'involvedObject', 'namespace')
  const ofCluster = about === '' && (namespace === 'default' || namespace === 'kube-system')
  if (about !== namespace && !ofCluster) {
    causes.invalid('involvedObject.namespace', about, 'does not match event.namespace')
  }
  if (textAt(event, 'eventTime') === '') return
  const component = textAt(event, 'reportingComponent')
  if (component === '') causes.required('reportingComponent')
  checkName(causes, 'reportingComponent', component, qualifiedName)
  for (const field of ['reportingInstance', 'action', 'reason']) {
    const text = textAt(event, field)
    if (text === '') causes.required(field)
    else if (text.length > 128) causes.invalid(field, '', 'can have at most 128 characters')
  }
  if (textAt(event, 'message').length > 1024) causes.invalid('message', '', 'can have at most 1024 characters')
}
