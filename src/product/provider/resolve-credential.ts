import { checkTenant } from '#azure/class'
import { type Credential, chooseCredential } from '#azure/identity'
import { errorMessage, Problems } from '#lib'
import type { IdentitySpec, PodRef } from './mount-spec.ts'

/** Annotations by which a service account names its identity, as the workload identity webhook reads them. */
const clientIdAnnotation = 'azure.workload.identity/client-id'
const tenantIdAnnotation = 'azure.workload.identity/tenant-id'

export interface CredentialDefaults {
  /** Tenant of classes and service accounts that name none; empty for none. */
  tenantId: string
  /** Annotations of a service account. Undefined where the provider has no API server to ask. */
  serviceAccountAnnotations?: (namespace: string, name: string) => Promise<Record<string, string>>
}

/**
 * The one credential of a volume, or what is wrong with it. What the class leaves out comes from the pod's service account,
 * then from the provider's default; the class always wins.
 */
export async function resolveCredential(
  { identity, pod }: { identity: IdentitySpec; pod: PodRef },
  defaults: CredentialDefaults,
): Promise<{ credential: Credential } | { problems: Problems; unreadableAccount: boolean }> {
  const account = await askServiceAccount(identity, pod, defaults)
  const clientId = identity.clientId || (wantsClientId(identity) ? (account.annotations[clientIdAnnotation] ?? '') : '')
  const tenantId = identity.tenantId || account.annotations[tenantIdAnnotation] || defaults.tenantId
  const problems = new Problems()
  const unreadableAccount = account.problem !== undefined
  const hint = account.problem === undefined ? '' : `; ${account.problem}`
  if (tenantId === '') {
    problems.add(
      '',
      `tenantId is not provided (neither as tenantID, nor as the service account's annotation ${tenantIdAnnotation}, nor by the provider's default${hint})`,
    )
  } else checkTenant(tenantId, problems)
  const choice = chooseCredential({
    ...identity,
    clientId,
    tenantId,
    podName: pod.name,
    podNamespace: pod.namespace,
  })
  if ('problems' in choice) {
    for (const { path, message } of choice.problems) problems.add(path, clientId === '' ? message + hint : message)
    return { problems, unreadableAccount }
  }
  return problems.count > 0 ? { problems, unreadableAccount } : choice
}

/** A class that asks for no other identity takes that of the service account. */
function wantsClientId({ clientId, usePodIdentity, useVMManagedIdentity, secrets }: IdentitySpec): boolean {
  return clientId === '' && !usePodIdentity && !useVMManagedIdentity && secrets === undefined
}

async function askServiceAccount(
  identity: IdentitySpec,
  pod: PodRef,
  { serviceAccountAnnotations, tenantId }: CredentialDefaults,
): Promise<{ annotations: Record<string, string>; problem?: string }> {
  const tenantMatters = !identity.usePodIdentity && !identity.useVMManagedIdentity
  const wantsTenant = identity.tenantId === '' && (tenantMatters || tenantId === '')
  if (!wantsClientId(identity) && !wantsTenant) return { annotations: {} }
  const name = `${pod.namespace}/${pod.serviceAccount}`
  if (pod.serviceAccount === '' || pod.namespace === '') return { annotations: {} }
  if (serviceAccountAnnotations === undefined) return { annotations: {} }
  try {
    return { annotations: await serviceAccountAnnotations(pod.namespace, pod.serviceAccount) }
  } catch (error) {
    return {
      annotations: {},
      problem: `service account ${name}, which may name it, cannot be read: ${errorMessage(error)}`,
    }
  }
}
