import { recordOf, valueAt } from '#lib/formats'
import { type Attributes, isAllowed } from '../access/authorization.ts'
import type { ServiceAccountTokens, User } from '../access/service-account-tokens.ts'
import { badRequest, Causes, conflict, invalid, methodNotAllowed, notFound } from '../api-error.ts'
import { type ApiObject, isRecord, textAt, textsAt } from '../api-object.ts'
import type { Store } from '../objects/store.ts'
import { admissionRequestOf } from './admitted-write.ts'
import type { ApiCall } from './api-call.ts'
import { readObject, sendJson } from './http-exchange.ts'
import type { ResourceRequest } from './request-info.ts'
import { writeOptionsOf } from './write-options.ts'

interface ReviewContext {
  store: Store
  user: User
}

/** A kind that is never stored: a POST is answered with the same object and its status. */
export interface ReviewRow {
  group: string
  version: string
  kind: string
  plural: string
  answer(context: ReviewContext, body: unknown): object
}

export const reviewRows: readonly ReviewRow[] = [
  {
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'SelfSubjectReview',
    plural: 'selfsubjectreviews',
    answer: ({ user }) => ({ userInfo: userInfo(user) }),
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    kind: 'SelfSubjectAccessReview',
    plural: 'selfsubjectaccessreviews',
    answer: ({ store, user }, body) => ({ allowed: isAllowed(store, user, attributesOf(valueAt(body, 'spec'))) }),
  },
]

export function findReview({ group, version, plural }: ResourceRequest): ReviewRow | undefined {
  return reviewRows.find((row) => row.group === group && row.version === version && row.plural === plural)
}

export async function handleReview(exchange: Omit<ApiCall, 'row'>, row: ReviewRow): Promise<void> {
  const { context, request, response, user, info } = exchange
  if (info.verb !== 'create') throw methodNotAllowed()
  const body = await readObject(context, request)
  const { kind, group, version } = row
  const status = row.answer({ store: context.store, user }, body)
  sendJson(response, 201, { metadata: {}, ...recordOf(body), kind, apiVersion: `${group}/${version}`, status })
}

function userInfo({ name, uid, groups, extra }: User) {
  return { username: name, uid, groups, extra }
}

function attributesOf(spec: unknown): Attributes {
  const resource = valueAt(spec, 'resourceAttributes')
  if (isRecord(resource)) {
    const text = (field: string) => textAt(resource, field)
    return {
      verb: text('verb'),
      group: text('group'),
      resource: text('resource'),
      subresource: text('subresource'),
      namespace: text('namespace'),
      name: text('name'),
    }
  }
  const path = valueAt(spec, 'nonResourceAttributes')
  if (isRecord(path)) return { verb: textAt(path, 'verb'), path: textAt(path, 'path') }
  throw badRequest('spec must have resourceAttributes or nonResourceAttributes')
}

/** https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/ */
export async function handleTokenRequest(call: ApiCall): Promise<void> {
  const { context, request, response, row, info } = call
  const body = await readObject(context, request)
  const account = context.objects.get(row, { namespace: info.namespace, name: info.name ?? '' })
  const { namespace = '', name } = account.metadata
  const object: ApiObject = { ...recordOf(body), ...tokenRequestKind, metadata: { namespace, name } }
  context.admission.checkPolicies(admissionRequestOf(call, writeOptionsOf(call), { object }), { object })
  sendJson(response, 201, await issueToken(context, account, body))
}

const tokenRequestKind = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' }

async function issueToken(
  { store, tokens }: { store: Store; tokens: ServiceAccountTokens },
  account: ApiObject,
  body: unknown,
): Promise<object> {
  const spec = valueAt(body, 'spec')
  const asked = textsAt(spec, 'audiences')
  const audiences = asked.length === 0 ? [tokens.issuer] : asked
  const seconds = valueAt(spec, 'expirationSeconds') ?? 3600
  const bound = valueAt(spec, 'boundObjectRef')
  const { namespace = '', name, uid = '' } = account.metadata
  requireDuration(seconds)
  const subject = { namespace, serviceAccount: { name, uid } }
  const pod = bound === undefined ? undefined : boundPod(store, account, bound)
  const status = await tokens.issue({ ...subject, ...pod }, audiences, seconds)
  return {
    ...tokenRequestKind,
    metadata: { name, namespace, creationTimestamp: null },
    spec: { audiences, expirationSeconds: seconds, boundObjectRef: bound ?? null },
    status,
  }
}

const maxTokenSeconds = 2 ** 32

function requireDuration(seconds: unknown): asserts seconds is number {
  const causes = new Causes()
  const field = 'spec.expirationSeconds'
  if (!Number.isInteger(seconds)) throw badRequest(`${field} must be a whole number`)
  if (Number(seconds) < 600) causes.invalid(field, seconds, 'may not specify a duration less than 10 minutes')
  if (Number(seconds) > maxTokenSeconds) {
    causes.invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')
  }
  const row = { group: 'authentication.k8s.io', kind: 'TokenRequest', plural: 'tokenrequests' }
  if (causes.list.length > 0) throw invalid(row, '', causes.list)
}

function boundPod(store: Store, account: ApiObject, reference: unknown) {
  const { namespace, name: accountName } = account.metadata
  const [kind, name, uid] = [textAt(reference, 'kind'), textAt(reference, 'name'), textAt(reference, 'uid')]
  if (kind !== 'Pod') throw badRequest(`cannot bind token to a ${kind}: the local cluster binds tokens to pods only`)
  const row = { group: '', kind: 'Pod', plural: 'pods' }
  const pod = store.get('pods', namespace, name)
  if (pod === undefined) throw notFound(row, name)
  if (uid !== '' && uid !== pod.metadata.uid) {
    throw conflict(row, name, `the UID in the bound object reference (${uid}) does not match the UID in record`)
  }
  if (textAt(pod, 'spec', 'serviceAccountName') !== accountName) {
    throw badRequest(
      `cannot bind token for serviceaccount "${accountName}" to pod running with different serviceaccount name.`,
    )
  }
  const node = textAt(pod, 'spec', 'nodeName')
  const nodeUid = store.get('nodes', undefined, node)?.metadata.uid
  return {
    pod: { name, uid: pod.metadata.uid ?? '' },
    ...(nodeUid === undefined ? {} : { node: { name: node, uid: nodeUid } }),
  }
}
