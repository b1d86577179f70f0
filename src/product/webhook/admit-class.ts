import { isDeepStrictEqual } from 'node:util'
import { checkClassTask, type Finding, formatFinding } from '#azure/class'
import { classAnnotations } from '#kubernetes/client'
import { errorMessage, type Log } from '#lib'
import { recordOf } from '#lib/formats'
import type { TaskRunner } from '#lib/worker'
import { type AdmissionAnswer, type AdmissionReview, admitUnchanged } from './admission-review.ts'
import type { Admission, AdmissionOutcome } from './answer-review.ts'
import type { ClassCheckResult, WebhookMetrics } from './webhook-metrics.ts'

export interface ClassAdmission {
  /** `refuse` also refuses a class that no pod could mount, or whose Secret could not be written. */
  checks: 'warn' | 'refuse'
  /** Checks run in threads of their own: the author of a class decides how long one takes, and pods must not wait for it. */
  tasks: TaskRunner
  metrics: WebhookMetrics
  log: Log
}

/**
 * Reports the problems of a SecretProviderClass to the user who creates or changes it. Without this they would only appear in
 * the events of a pod that does not start. A class whose `spec` does not change is admitted without a check: tools annotate
 * classes.
 */
export function classAdmission(parts: ClassAdmission): Admission {
  const { metrics, log } = parts
  return {
    admit: (review) => admitClass(parts, review),
    onAnswer: (_namespace, outcome) => metrics.classChecked(resultOf(outcome)),
    log,
  }
}

async function admitClass(parts: ClassAdmission, review: AdmissionReview): Promise<AdmissionAnswer> {
  if (!changesClass(review)) return admitUnchanged()
  const findings = await findingsOf(parts, review)
  const { name = '', annotations } = recordOf(recordOf(review.object)?.metadata) ?? {}
  const fatal = findings.filter(({ fails }) => fails !== undefined)
  const exempt = recordOf(annotations)?.[classAnnotations.checks] === 'warn'
  if (parts.checks === 'warn' || exempt || fatal.length === 0) {
    return admitUnchanged(findings.map((finding) => `SecretProviderClass ${String(name)}: ${formatFinding(finding)}`))
  }
  const reasons = fatal.map(formatFinding).join('; ')
  const remedy = `annotate the class with ${classAnnotations.checks}: warn to create it anyway`
  return { allowed: false, code: 422, message: `${reasons} (${remedy})` }
}

function changesClass({ operation, resource, subResource, object, oldObject }: AdmissionReview): boolean {
  if (resource !== 'secretproviderclasses' || subResource !== '') return false
  if (operation === 'CREATE') return true
  return operation === 'UPDATE' && !isDeepStrictEqual(recordOf(object)?.spec, recordOf(oldObject)?.spec)
}

/** A check that fails or takes too long is a warning: it must not keep a user from creating the class. */
async function findingsOf({ tasks, log }: ClassAdmission, { object, namespace }: AdmissionReview): Promise<Finding[]> {
  try {
    return await tasks.run(checkClassTask, object, { owner: namespace })
  } catch (error) {
    log.error({ err: error, namespace }, 'cannot check a class')
    return [{ path: '', message: `could not be checked: ${errorMessage(error)}`, fails: undefined }]
  }
}

function resultOf(outcome: AdmissionOutcome): ClassCheckResult {
  if (typeof outcome === 'string') return 'failed'
  if (!outcome.allowed) return 'refused'
  return outcome.warnings.length === 0 ? 'accepted' : 'warned'
}
