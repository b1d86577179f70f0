import type { Log } from '#lib'
import type { AdmissionAnswer, AdmissionReview } from './admission-review.ts'
import { admitUnchanged } from './admission-review.ts'
import type { Admission, AdmissionOutcome } from './answer-review.ts'
import { mutatePod } from './mutate-pod.ts'
import { oversizeOf } from './oversize-of.ts'
import { parsePod } from './parse-pod.ts'
import type { ServiceAccounts } from './service-accounts.ts'
import type { MutationResult, WebhookMetrics } from './webhook-metrics.ts'
import type { WebhookSettings } from './webhook-settings.ts'

export interface PodAdmission {
  settings: WebhookSettings
  accounts: Pick<ServiceAccounts, 'annotationsOf' | 'isNamespace'>
  metrics: WebhookMetrics
  log: Log
}

/** Gives pods their identity. */
export function podAdmission(parts: PodAdmission): Admission {
  const { metrics, accounts, log } = parts
  return {
    admit: (review) => admitPod(parts, review),
    onAnswer(namespace, outcome, durationMs) {
      // A client that reaches the port may name any number of namespaces.
      metrics.mutation(accounts.isNamespace(namespace) ? namespace : '', resultOf(outcome), durationMs)
    },
    log,
  }
}

/** The order of the steps decides which error the user sees; it is upstream's. */
async function admitPod({ settings, accounts, log }: PodAdmission, review: AdmissionReview): Promise<AdmissionAnswer> {
  if (!createsPod(review)) return admitUnchanged()
  const oversize = oversizeOf(review.object)
  if (oversize !== undefined) return admitUnchanged([`the pod gets no token: ${oversize}`])
  const pod = parsePod(review.object)
  const account = await accounts.annotationsOf(review.namespace, pod.serviceAccountName)
  const { patch, warnings } = mutatePod(pod, account, settings)
  log.debug({ pod: `${review.namespace}/${pod.name}`, operations: patch.length }, 'pod admitted')
  return { allowed: true, patch, warnings }
}

/** A webhook configuration that is not ours may send more: updates and ephemeral containers are admitted unchanged. */
function createsPod({ operation, resource, subResource }: AdmissionReview): boolean {
  return ['CREATE', ''].includes(operation) && ['pods', ''].includes(resource) && subResource === ''
}

function resultOf(outcome: AdmissionOutcome): MutationResult {
  if (typeof outcome === 'string') return outcome
  if (!outcome.allowed) return 'denied'
  return outcome.patch.length === 0 ? 'unchanged' : 'mutated'
}
