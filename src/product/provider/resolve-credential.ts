import { checkTenant } from '#azure/class'
import {
  type ClassIdentity,
  type Credential,
  chooseCredential,
  completeIdentity,
  type IdentitySources,
  missingFromClass,
  tenantIdAnnotation,
} from '#azure/identity'
import { errorMessage, Problems } from '#lib'
import type { IdentitySpec, PodRef } from './mount-spec.ts'

export interface CredentialDefaults {
  /** Tenant of classes and service accounts that name none; empty for none. */
  tenantId: string
  /** Audiences of the service account token that Entra exchanges, the preferred one first. Default: Entra's own. */
  audiences?: readonly string[] | undefined
  /** Annotations of a service account. Undefined where the provider has no API server to ask. */
  serviceAccountAnnotations?: ((namespace: string, name: string) => Promise<Record<string, string>>) | undefined
}

export type CredentialResult =
  | { credential: Credential }
  /** `unreadableAccount`: the service account may have what is missing, and cannot be read. */
  | { problems: Problems; unreadableAccount: boolean }

/** The one credential of a volume, or what is wrong with it. */
export async function resolveCredential(
  { identity, pod }: { identity: IdentitySpec; pod: PodRef },
  defaults: CredentialDefaults,
): Promise<CredentialResult> {
  const sources = { hasSecret: identity.secrets !== undefined, defaultTenantId: defaults.tenantId }
  const account = await readServiceAccount(identity, pod, sources, defaults)
  const complete = completeIdentity(identity, account.annotations, sources)
  const problems = new Problems()
  const hint = account.problem === undefined ? '' : `; ${account.problem}`
  checkTenantOf(complete, problems, hint)
  const choice = chooseCredential(complete, {
    ...complete,
    serviceAccountTokens: identity.serviceAccountTokens,
    audiences: defaults.audiences,
    secrets: identity.secrets,
    podName: pod.name,
    podNamespace: pod.namespace,
  })
  if ('problems' in choice) {
    for (const { path, message } of choice.problems.list)
      problems.add(path, complete.clientId === '' ? message + hint : message)
  } else if (problems.count === 0) return choice
  return { problems, unreadableAccount: account.problem !== undefined }
}

function checkTenantOf({ tenantId }: ClassIdentity, problems: Problems, hint: string): void {
  const elsewhere = `nor as the service account's annotation ${tenantIdAnnotation}, nor by the provider's default${hint}`
  if (tenantId === '') problems.add('', `tenantId is not provided (neither as tenantID, ${elsewhere})`)
  else checkTenant(tenantId, problems)
}

interface AccountAnswer {
  annotations: Record<string, string>
  /** Why there are no annotations, where that may be the cause of a failure. */
  problem?: string
}

async function readServiceAccount(
  identity: ClassIdentity,
  pod: PodRef,
  sources: IdentitySources,
  { serviceAccountAnnotations }: CredentialDefaults,
): Promise<AccountAnswer> {
  const missing = missingFromClass(identity, sources)
  if (pod.accountAnnotations !== undefined) return { annotations: pod.accountAnnotations }
  const isNamed = pod.serviceAccount !== '' && pod.namespace !== ''
  if ((!missing.clientId && !missing.tenantId) || !isNamed || serviceAccountAnnotations === undefined)
    return { annotations: {} }
  try {
    return { annotations: await serviceAccountAnnotations(pod.namespace, pod.serviceAccount) }
  } catch (error) {
    const name = `${pod.namespace}/${pod.serviceAccount}`
    return {
      annotations: {},
      problem: `service account ${name}, which may name it, cannot be read: ${errorMessage(error)}`,
    }
  }
}
