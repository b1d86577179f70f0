import { isDeepStrictEqual } from 'node:util'
import { checkClass, type Finding, formatFinding } from '#azure/class'
import { classAnnotations } from '#kubernetes/client'
import { errorMessage, type Log } from '#lib'
import { recordOf } from '#lib/formats'
import type { AdmissionAnswer, AdmissionReview } from './admission-review.ts'
import { type AdmissionRoute, createAdmissionRoute } from './admission-route.ts'
import type { ClassCheckResult, WebhookMetrics } from './webhook-metrics.ts'

export interface AdmitClassOptions {
  /** `refuse` also refuses a class that no pod could mount, or whose Secret could not be written. */
  checks: 'warn' | 'refuse'
  metrics: WebhookMetrics
  log: Log
}

/**
 * Tells whoever creates or changes a SecretProviderClass what is wrong with it: otherwise they learn of it from the events of
 * a pod that does not start. A class whose `spec` stays as it is passes in silence, whatever it is: tools annotate classes.
 */
export function createAdmitClass({ checks, metrics, log }: AdmitClassOptions): AdmissionRoute {
  function admit(review: AdmissionReview): AdmissionAnswer {
    if (!changesClass(review)) return allowed([])
    const findings = findingsOf(review, log)
    const { name = '', annotations } = recordOf(recordOf(review.object)?.['metadata']) ?? {}
    const fatal = findings.filter(({ fails }) => fails !== undefined)
    const spared = recordOf(annotations)?.[classAnnotations.checks] === 'warn'
    if (checks === 'warn' || spared || fatal.length === 0) {
      return allowed(findings.map((finding) => `SecretProviderClass ${String(name)}: ${formatFinding(finding)}`))
    }
    const reasons = fatal.map(formatFinding).join('; ')
    const way = `annotate the class with ${classAnnotations.checks}: warn to create it all the same`
    return { allowed: false, code: 422, message: `${reasons} (${way})` }
  }

  return createAdmissionRoute({
    admit,
    onAnswer: (_namespace, outcome) => metrics.classChecked(resultOf(outcome)),
    log,
  })
}

/** A fault of ours must keep nobody from their class. */
function findingsOf({ object, namespace }: AdmissionReview, log: Log): Finding[] {
  try {
    return checkClass(object)
  } catch (error) {
    log.error({ err: error, namespace }, 'a class could not be checked')
    return [{ path: '', message: `could not be checked: ${errorMessage(error)}`, fails: undefined }]
  }
}

function allowed(warnings: string[]): AdmissionAnswer {
  return { allowed: true, patch: [], warnings }
}

function changesClass({ operation, resource, subResource, object, oldObject }: AdmissionReview): boolean {
  if (resource !== 'secretproviderclasses' || subResource !== '') return false
  if (operation === 'CREATE') return true
  return operation === 'UPDATE' && !isDeepStrictEqual(recordOf(object)?.['spec'], recordOf(oldObject)?.['spec'])
}

function resultOf(outcome: AdmissionAnswer | 'denied' | 'failed'): ClassCheckResult {
  if (typeof outcome === 'string') return 'failed'
  if (!outcome.allowed) return 'refused'
  return outcome.warnings.length === 0 ? 'accepted' : 'warned'
}
