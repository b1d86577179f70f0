import { createHash } from 'node:crypto'
import { errorMessage } from '#lib'
import { valueAt } from '#lib/formats'
import type { AdmissionRequest } from '../api-server/admission/admission-request.ts'
import { type ApiObject, isRecord, mapAt, recordsAt, textAt } from '../api-server/api-object.ts'
import type { ResourceKey } from '../api-server/objects/store.ts'
import type { ControllerContext } from './controller.ts'
import { recordEvent } from './record-event.ts'

/** The objects of a kind that the owner made. */
export function dependents({ store }: ControllerContext, resource: ResourceKey, owner: ApiObject): ApiObject[] {
  return store
    .list(resource, owner.metadata.namespace)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) ?? false)
}

export function ownerReference({ apiVersion, kind, metadata: { name, uid = '' } }: ApiObject) {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }
}

/** Pods at their end are replaced. */
export function hasEnded(pod: ApiObject): boolean {
  return ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'))
}

export function isReady(pod: ApiObject): boolean {
  return recordsAt(pod, 'status', 'conditions').some(({ type, status }) => type === 'Ready' && status === 'True')
}

/** Identifies a template, regardless of the order of its fields. */
export function hashOf(template: unknown): string {
  const sorted = (_: string, value: unknown) =>
    isRecord(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value
  return createHash('sha256').update(JSON.stringify(template, sorted)).digest('hex').slice(0, 10)
}

/** Pods of the owner that wait for webhooks. */
export function creationsOf({ creations }: ControllerContext, { metadata }: ApiObject): number {
  return creations.count(metadata.uid ?? '')
}

/** Makes a pod from the owner's template, at once or when webhooks have seen it. When that is refused, an event of the owner reports the reason. */
export function createPod(context: ControllerContext, owner: ApiObject, labels: Record<string, string> = {}): void {
  const { objects, catalog, admission, creations } = context
  const component = componentOf(owner)
  const row = catalog.row('pods')
  const template = valueAt(owner, 'spec', 'template')
  const { namespace, name } = owner.metadata
  const body = {
    metadata: {
      generateName: `${name}-`,
      labels: { ...mapAt(template, 'metadata', 'labels'), ...labels },
      annotations: mapAt(template, 'metadata', 'annotations'),
      ownerReferences: [ownerReference(owner)],
    },
    spec: structuredClone(valueAt(template, 'spec')),
  }
  const user = { name: `system:serviceaccount:kube-system:${component}`, groups: ['system:serviceaccounts'] }
  const request: AdmissionRequest = {
    ...{ operation: 'CREATE', row, version: 'v1', subresource: '', namespace, user, dryRun: false },
    warn: () => undefined,
  }
  const create = (admitted: unknown) => {
    const admit = (object: ApiObject) => admission.checkPolicies(request, { object })
    const pod = objects.create(row, namespace, admitted, { manager: component, admit })
    recordEvent(context, owner, { component, reason: 'SuccessfulCreate', message: `Created pod: ${pod.metadata.name}` })
  }
  const refused = (error: unknown) => {
    const message = `Error creating: ${errorMessage(error)}`
    recordEvent(context, owner, { component, type: 'Warning', reason: 'FailedCreate', message })
    throw error
  }
  if (!admission.concerns(request, body)) {
    try {
      create(body)
    } catch (error) {
      refused(error)
    }
    return
  }
  const admitted = async () => {
    const mutated = await admission.mutate(request, body)
    await admission.validate(request, { object: mutated as ApiObject })
    return create(mutated)
  }
  creations.begin(owner.metadata.uid ?? '', () => admitted().catch(refused))
}

export function deletePod(context: ControllerContext, owner: ApiObject, pod: ApiObject): void {
  const { objects, catalog } = context
  const component = componentOf(owner)
  objects.delete(catalog.row('pods'), pod.metadata, {})
  recordEvent(context, owner, { component, reason: 'SuccessfulDelete', message: `Deleted pod: ${pod.metadata.name}` })
}

const componentOf = ({ kind }: ApiObject) => `${kind.toLowerCase()}-controller`

export function writeStatus(
  { objects, catalog }: ControllerContext,
  resource: ResourceKey,
  object: ApiObject,
  status: object,
): void {
  const observedGeneration = object.metadata.generation ?? 1
  const written = (draft: ApiObject) => ({ ...draft, status: { ...status, observedGeneration } })
  objects.update(catalog.row(resource), object.metadata, written, {
    manager: componentOf(object),
    subresource: 'status',
  })
}
