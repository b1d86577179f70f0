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
 * The AzureAssignedIdentity objects, one method per step of their life. Each answers whether it was done: a failure is
 * logged, counted and told by an event of the binding, and the next cycle tries again.
 */
export interface Assignments {
  create(wanted: AzureAssignedIdentity): Promise<boolean>
  replace(after: AzureAssignedIdentity): Promise<boolean>
  /** The machine has the identity. */
  setAssigned(assigned: AzureAssignedIdentity): Promise<boolean>
  /** The machine has not got it: nothing changes but that people are told. */
  assignFailed(assigned: AzureAssignedIdentity, error: unknown): Promise<void>
  /** The machine has the identity no more: the object goes. */
  remove(assigned: AzureAssignedIdentity): Promise<boolean>
  removeFailed(assigned: AzureAssignedIdentity, error: unknown): Promise<void>
}

export interface AssignmentsOptions {
  kube: KubeClient
  view: Pick<ClusterView, 'remember' | 'forget'>
  events: EventRecorder
  metrics: MicMetrics
  log: Log
}

const resource = resources.azureAssignedIdentities

export function createAssignments({ kube, view, events, metrics, log }: AssignmentsOptions): Assignments {
  const refOf = ({ metadata: { name = '', namespace = '' } }: AzureAssignedIdentity) => ({ name, namespace })

  async function attempt(
    assigned: AzureAssignedIdentity,
    { operation, reason }: { operation: KubernetesOperation; reason: string },
    work: () => Promise<void>,
  ): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      metrics.kubernetesFailed(operation)
      await tell(assigned, { type: 'Warning', reason, message: `${operation}: ${errorMessage(error)}` })
      return false
    }
  }

  async function tell(
    assigned: AzureAssignedIdentity,
    { type, reason, message }: { type: 'Normal' | 'Warning'; reason: string; message: string },
  ): Promise<void> {
    const { pod, podNamespace, nodename, azureBindingRef } = assigned.spec
    const level = type === 'Normal' ? 'info' : 'warn'
    log[level](
      { pod: `${podNamespace}/${pod}`, node: nodename, assigned: objectKey(assigned) },
      `${reason}: ${message}`,
    )
    await events.record(referenceTo(azureBindingRef), type, reason, message)
  }

  async function setState(assigned: AzureAssignedIdentity, status: AssignmentState): Promise<void> {
    view.remember(await kube.patch(resource, refOf(assigned), { status: { status, availableReplicas: 1 } }))
  }

  return {
    create: (wanted) =>
      attempt(wanted, { operation: 'assigned_identity_addition', reason: 'binding apply error' }, async () => {
        const create = async () => {
          try {
            return await kube.create(resource, wanted)
          } catch (error) {
            // Made by a controller before us that told nobody any more.
            if (!isAlreadyExists(error)) throw error
            return kube.get(resource, refOf(wanted))
          }
        }
        view.remember(await metrics.assignment('addition', create))
      }),
    replace: (after) =>
      attempt(after, { operation: 'assigned_identity_update', reason: 'binding apply error' }, async () => {
        view.remember(await metrics.assignment('update', () => kube.replace(resource, after)))
      }),
    async setAssigned(assigned) {
      const failure = { operation: 'update_azure_assigned_identity_status', reason: 'status update error' } as const
      if (!(await attempt(assigned, failure, () => setState(assigned, 'Assigned')))) return false
      await tell(assigned, { type: 'Normal', reason: 'binding applied', message: describe('applied', assigned) })
      return true
    },
    async assignFailed(assigned, error) {
      const message = `${describe('not applied', assigned)}: ${errorMessage(error)}`
      await tell(assigned, { type: 'Warning', reason: 'binding apply error', message })
    },
    async remove(assigned) {
      const failure = { operation: 'assigned_identity_deletion', reason: 'binding remove error' } as const
      const remove = async () => {
        await metrics.assignment('deletion', async () => {
          await ifThere(setState(assigned, 'Unassigned'))
          await ifThere(kube.delete(resource, refOf(assigned)))
          await ifThere(removeFinalizer(assigned))
        })
        view.forget(assigned)
      }
      if (!(await attempt(assigned, failure, remove))) return false
      await tell(assigned, { type: 'Normal', reason: 'binding removed', message: describe('removed', assigned) })
      return true
    },
    async removeFailed(assigned, error) {
      const message = `${describe('not removed', assigned)}: ${errorMessage(error)}`
      await tell(assigned, { type: 'Warning', reason: 'binding remove error', message })
    },
  }

  async function removeFinalizer(assigned: AzureAssignedIdentity): Promise<void> {
    const { metadata } = await kube.get(resource, refOf(assigned))
    const finalizers = (metadata.finalizers ?? []).filter((one) => one !== podIdentityNames.finalizer)
    await kube.patch(resource, refOf(assigned), { metadata: { finalizers, resourceVersion: metadata.resourceVersion } })
  }
}

async function ifThere(change: Promise<void>): Promise<void> {
  await change.catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}

function describe(what: string, { spec }: AzureAssignedIdentity): string {
  const { azureBindingRef, azureIdentityRef, pod, podNamespace, nodename } = spec
  return `binding ${azureBindingRef.metadata.name} with identity ${azureIdentityRef.metadata.name} ${what} on node ${nodename} for pod ${podNamespace}/${pod}`
}

export function referenceTo({ apiVersion, kind, metadata }: KubeObject): ObjectReference {
  const { name, namespace, uid } = metadata
  return {
    apiVersion,
    kind,
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
  }
}
