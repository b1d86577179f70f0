import {
  type AssignmentState,
  type AzureAssignedIdentity,
  type EventRecorder,
  isAlreadyExists,
  isNotFound,
  type KubeClient,
  type KubeObject,
  type ObjectReference,
  objectKey,
  resources,
} from '#kubernetes/client'
import { errorMessage, type Log } from '#lib'
import { podIdentityNames } from '../names.ts'
import type { ClusterView } from './cluster-view.ts'
import type { KubernetesOperation, MicMetrics } from './mic-metrics.ts'

/**
 * The AzureAssignedIdentity objects, one method per step of their life. Each resolves to whether it succeeded: a failure is
 * logged, counted and reported by an event of the binding, and the next cycle retries.
 */
export interface Assignments {
  create(wanted: AzureAssignedIdentity): Promise<boolean>
  replace(after: AzureAssignedIdentity): Promise<boolean>
  /** The machine has the identity. */
  setAssigned(assigned: AzureAssignedIdentity): Promise<boolean>
  /** The machine does not have it: only reported. */
  assignFailed(assigned: AzureAssignedIdentity, error: unknown): Promise<void>
  /** As the API server has it now; as given when it is gone, and undefined when it cannot be read. */
  read(assigned: AzureAssignedIdentity): Promise<AzureAssignedIdentity | undefined>
  /** The machine no longer has the identity: the object is deleted. */
  remove(assigned: AzureAssignedIdentity): Promise<boolean>
  /** The machine still has it: only reported. */
  removeFailed(assigned: AzureAssignedIdentity, error: unknown): Promise<void>
}

export interface AssignmentsOptions {
  kube: KubeClient
  view: Pick<ClusterView, 'store' | 'forget'>
  events: EventRecorder
  metrics: MicMetrics
  log: Log
}

const resource = resources.azureAssignedIdentities

export function createAssignments(world: AssignmentsOptions): Assignments {
  return {
    create: (wanted) => create(world, wanted),
    replace: (after) => replace(world, after),
    setAssigned: (assigned) => setAssigned(world, assigned),
    assignFailed: (assigned, error) => reportFailure(world, assigned, 'apply', error),
    read: (assigned) => read(world, assigned),
    remove: (assigned) => remove(world, assigned),
    removeFailed: (assigned, error) => reportFailure(world, assigned, 'remove', error),
  }
}

function create(world: AssignmentsOptions, wanted: AzureAssignedIdentity): Promise<boolean> {
  const { kube, view, metrics } = world
  return attempt(
    world,
    wanted,
    { operation: 'assigned_identity_addition', reason: 'binding apply error' },
    async () => {
      view.store(await metrics.assignment('addition', () => createOrGet(kube, wanted)))
    },
  )
}

async function createOrGet(kube: KubeClient, wanted: AzureAssignedIdentity): Promise<AzureAssignedIdentity> {
  try {
    return await kube.create(resource, wanted)
  } catch (error) {
    // Created by the previous leader a moment before it stopped.
    if (!isAlreadyExists(error)) throw error
    return kube.get(resource, refOf(wanted))
  }
}

function replace(world: AssignmentsOptions, after: AzureAssignedIdentity): Promise<boolean> {
  const { kube, view, metrics } = world
  return attempt(world, after, { operation: 'assigned_identity_update', reason: 'binding apply error' }, async () => {
    view.store(await metrics.assignment('update', () => kube.replace(resource, after)))
  })
}

async function setAssigned(world: AssignmentsOptions, assigned: AzureAssignedIdentity): Promise<boolean> {
  const failure = { operation: 'update_azure_assigned_identity_status', reason: 'status update error' } as const
  if (!(await attempt(world, assigned, failure, () => setState(world, assigned, 'Assigned')))) return false
  const message = describe('applied', assigned)
  await report(world, assigned, { type: 'Normal', reason: 'binding applied', message })
  return true
}

async function read(
  world: AssignmentsOptions,
  assigned: AzureAssignedIdentity,
): Promise<AzureAssignedIdentity | undefined> {
  const failure = { operation: 'assigned_identity_deletion', reason: 'binding remove error' } as const
  let current: AzureAssignedIdentity | undefined
  await attempt(world, assigned, failure, async () => {
    current = await world.kube.get(resource, refOf(assigned)).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
      return assigned
    })
  })
  if (current !== undefined && current !== assigned) world.view.store(current)
  return current
}

async function remove(world: AssignmentsOptions, assigned: AzureAssignedIdentity): Promise<boolean> {
  const { kube, view, metrics } = world
  const failure = { operation: 'assigned_identity_deletion', reason: 'binding remove error' } as const
  const removed = await attempt(world, assigned, failure, async () => {
    await metrics.assignment('deletion', async () => {
      await ignoreNotFound(setState(world, assigned, 'Unassigned'))
      await ignoreNotFound(kube.delete(resource, refOf(assigned)))
      await ignoreNotFound(removeFinalizer(kube, assigned))
    })
    view.forget(assigned)
  })
  if (!removed) return false
  const message = describe('removed', assigned)
  await report(world, assigned, { type: 'Normal', reason: 'binding removed', message })
  return true
}

async function removeFinalizer(kube: KubeClient, assigned: AzureAssignedIdentity): Promise<void> {
  const { metadata } = await kube.get(resource, refOf(assigned))
  const finalizers = (metadata.finalizers ?? []).filter((one) => one !== podIdentityNames.finalizer)
  await kube.patch(resource, refOf(assigned), { metadata: { finalizers, resourceVersion: metadata.resourceVersion } })
}

async function setState(
  { kube, view }: AssignmentsOptions,
  assigned: AzureAssignedIdentity,
  status: AssignmentState,
): Promise<void> {
  view.store(await kube.patch(resource, refOf(assigned), { status: { status, availableReplicas: 1 } }))
}

async function ignoreNotFound(change: Promise<void>): Promise<void> {
  await change.catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}

async function attempt(
  world: AssignmentsOptions,
  assigned: AzureAssignedIdentity,
  { operation, reason }: { operation: KubernetesOperation; reason: string },
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    world.metrics.kubernetesFailed(operation)
    await report(world, assigned, { type: 'Warning', reason, message: `${operation}: ${errorMessage(error)}` })
    return false
  }
}

async function reportFailure(
  world: AssignmentsOptions,
  assigned: AzureAssignedIdentity,
  step: 'apply' | 'remove',
  error: unknown,
): Promise<void> {
  const what = step === 'apply' ? 'not applied' : 'not removed'
  const message = `${describe(what, assigned)}: ${errorMessage(error)}`
  await report(world, assigned, { type: 'Warning', reason: `binding ${step} error`, message })
}

interface Report {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

async function report(
  { events, log }: AssignmentsOptions,
  assigned: AzureAssignedIdentity,
  { type, reason, message }: Report,
): Promise<void> {
  const { pod, podNamespace, nodename, azureBindingRef } = assigned.spec
  const fields = { pod: `${podNamespace}/${pod}`, node: nodename, assigned: objectKey(assigned) }
  log[type === 'Normal' ? 'info' : 'warn'](fields, `${reason}: ${message}`)
  await events.record(referenceTo(azureBindingRef), type, reason, message)
}

function describe(what: string, { spec }: AzureAssignedIdentity): string {
  const { azureBindingRef, azureIdentityRef, pod, podNamespace, nodename } = spec
  return `binding ${azureBindingRef.metadata.name} with identity ${azureIdentityRef.metadata.name} ${what} on node ${nodename} for pod ${podNamespace}/${pod}`
}

function refOf({ metadata: { name = '', namespace = '' } }: AzureAssignedIdentity) {
  return { name, namespace }
}

export function referenceTo({ apiVersion, kind, metadata }: KubeObject): ObjectReference {
  const { name, namespace, uid } = metadata
  return { apiVersion, kind, name, namespace, uid }
}
