import type { Log } from '#lib'
import { type ApiObject, isRecord } from '../api-object.ts'
import { jsonPatch } from '../objects/patch.ts'
import { type AdmissionSurroundings, askWebhook } from './ask-webhook.ts'
import type { Creation } from './creation.ts'
import { type Webhook, webhooksFor } from './mutating-webhooks.ts'

/**
 * Mutating admission webhooks, at the creation of objects: each in the order of its configuration's name, once.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export interface Admission {
  /** Whether any webhook has to be asked. */
  concerns(creation: Pick<Creation, 'row' | 'version' | 'namespace' | 'body'>): boolean
  /** The object as the webhooks want it; as it was when none is concerned. Throws ApiError when one refuses it, or fails and its policy is Fail. */
  admit(creation: Creation): Promise<unknown>
}

export function createAdmission({ store, log, connectToPod }: AdmissionSurroundings & { log: Log }): Admission {
  const matching = ({ row, version, namespace, body }: Pick<Creation, 'row' | 'version' | 'namespace' | 'body'>) =>
    isRecord(body) ? webhooksFor(store, { row, version, namespace, object: body as ApiObject }) : []

  async function mutate(webhook: Webhook, creation: Creation, object: ApiObject): Promise<ApiObject> {
    const answer = await askWebhook({ store, connectToPod }, webhook, { ...creation, object }).catch(
      (error: unknown) => {
        if (webhook.failurePolicy !== 'Ignore') throw error
        log.warn({ err: error, webhook: webhook.name }, 'a webhook failed and is ignored')
        return undefined
      },
    )
    if (answer === undefined) return object
    for (const warning of answer.warnings) creation.warn(warning)
    return jsonPatch(object, answer.patch) as ApiObject
  }

  return {
    concerns: (creation) => matching(creation).length > 0,
    async admit(creation) {
      const webhooks = matching(creation)
      if (webhooks.length === 0) return creation.body
      const { row, version, namespace } = creation
      const draft = structuredClone(creation.body) as ApiObject
      if (namespace !== undefined) draft.metadata = { ...draft.metadata, namespace }
      // A webhook sees the object with its defaults.
      row.prepare(draft, version)
      let object = draft
      for (const webhook of webhooks) object = await mutate(webhook, creation, object)
      return object
    },
  }
}
