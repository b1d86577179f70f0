import type { Log } from '#lib'
import { type ApiObject, isRecord } from '../api-object.ts'
import type { Catalog } from '../kinds/catalog.ts'
import { jsonPatch } from '../objects/patch.ts'
import type { AdmissionRequest, Written } from './admission-request.ts'
import { type AdmissionSurroundings, askWebhook } from './ask-webhook.ts'
import { checkPolicies } from './check-policies.ts'
import { type Webhook, webhookConfigurations, webhooksFor } from './webhooks.ts'

/**
 * Admission: mutating webhooks at the creation of objects, each once in the order of its configuration's name; then policies
 * and validating webhooks. https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export interface Admission {
  /** Whether any webhook has to be asked about a new object. */
  concerns(request: AdmissionRequest, body: unknown): boolean
  /** The new object as the webhooks want it; as it was when none is concerned. Throws ApiError when one refuses it, or fails and its policy is Fail. */
  mutate(request: AdmissionRequest, body: unknown): Promise<unknown>
  /** Throws ApiError when a policy refuses the write. */
  checkPolicies(request: AdmissionRequest, written: Written): void
  /** Whether there are validating webhooks at all. */
  hasValidatingWebhooks(): boolean
  /** Asks the validating webhooks that a write concerns. Throws ApiError when one refuses it, or fails and its policy is Fail. */
  validate(request: AdmissionRequest, written: Written): Promise<void>
}

type Surroundings = AdmissionSurroundings & { catalog: Catalog; log: Log }

export function createAdmission(around: Surroundings): Admission {
  const { store } = around
  const mutating = (request: AdmissionRequest, body: unknown) =>
    isRecord(body) ? webhooksFor(store, 'mutating', request, { object: withMetadata(body) }) : []
  const validating = (request: AdmissionRequest, written: Written) => webhooksFor(store, 'validating', request, written)
  return {
    concerns: (request, body) =>
      mutating(request, body).length > 0 ||
      (isRecord(body) && validating(request, { object: withMetadata(body) }).length > 0),
    async mutate(request, body) {
      const webhooks = mutating(request, body)
      if (webhooks.length === 0) return body
      const { row, version, namespace } = request
      let object = structuredClone(body) as ApiObject
      if (namespace !== undefined) object.metadata = { ...object.metadata, namespace }
      // A webhook sees the object with its defaults.
      row.prepare(object, version)
      for (const webhook of webhooks) {
        object = jsonPatch(object, await ask(around, webhook, request, { object })) as ApiObject
      }
      return object
    },
    checkPolicies: (request, written) => checkPolicies(around, request, written),
    hasValidatingWebhooks: () => store.list(webhookConfigurations.validating).length > 0,
    async validate(request, written) {
      for (const webhook of validating(request, written)) await ask(around, webhook, request, written)
    },
  }
}

/** The webhook's patch. A webhook that fails with the policy Ignore changes nothing; one that refuses the write is never ignored. */
async function ask(
  { store, connectToPod, log }: Surroundings,
  webhook: Webhook,
  request: AdmissionRequest,
  written: Written,
): Promise<unknown[]> {
  const answer = await askWebhook({ store, connectToPod }, webhook, request, written).catch((error: unknown) => {
    if (webhook.failurePolicy !== 'Ignore') throw error
    log.warn({ err: error, webhook: webhook.name }, 'a webhook failed and is ignored')
    return undefined
  })
  if (answer?.refusal !== undefined) throw answer.refusal
  for (const warning of answer?.warnings ?? []) request.warn(warning)
  return answer?.patch ?? []
}

/** A body without metadata has no labels for selectors. */
function withMetadata(body: Record<string, unknown>): ApiObject {
  return { ...body, metadata: isRecord(body.metadata) ? body.metadata : {} } as unknown as ApiObject
}
