import type { Answer } from '../../../support/local-cluster.ts'
import { scratchNamespace, type ValidationAnswer, type ValidationCase } from './case.ts'

/** Sends one request to an API server as its administrator. */
export type Send = (method: string, path: string, body?: unknown) => Promise<Answer>

export async function createScratchNamespace(send: Send): Promise<void> {
  const { status, body } = await send('POST', '/api/v1/namespaces', { metadata: { name: scratchNamespace } })
  if (status !== 201 && status !== 409) throw new Error(`namespace ${scratchNamespace}: ${body.message}`)
}

/** Tries one case and gives the answer. Nothing of it stays on the cluster. */
export async function ask(send: Send, { resource, object, before }: ValidationCase): Promise<ValidationAnswer> {
  const collection = pathOf(resource)
  const strict = 'dryRun=All&fieldValidation=Strict'
  if (before === undefined) return answerOf(await send('POST', `${collection}?${strict}`, object))
  const created = await send('POST', collection, before)
  if (created.status !== 201) throw new Error(`the object before cannot be created: ${created.body.message}`)
  const path = `${collection}/${created.body.metadata.name}`
  const answer = answerOf(await send('PUT', `${path}?${strict}`, updated(created.body, object)))
  const deleted = await send('DELETE', `${path}?gracePeriodSeconds=0`)
  if (deleted.status !== 200) throw new Error(`${path} cannot be deleted: ${deleted.body.message}`)
  return answer
}

function pathOf(resource: string): string {
  const [group, plural] = resource.includes('/') ? splitLast(resource) : ['api/v1', resource]
  return plural === 'customresourcedefinitions'
    ? `/${group}/${plural}`
    : `/${group}/namespaces/${scratchNamespace}/${plural}`
}

function splitLast(path: string): [string, string] {
  const at = path.lastIndexOf('/')
  return [path.slice(0, at), path.slice(at + 1)]
}

/** What a client sends that has read the object: everything that the server filled in, with the new fields over it. */
// biome-ignore lint/suspicious/noExplicitAny: answers have every shape
function updated(created: any, object: any): unknown {
  const metadata = { ...created.metadata, ...object.metadata }
  if (created.kind !== 'Pod') return { ...object, metadata }
  const [container] = created.spec.containers
  const spec = { ...created.spec, ...object.spec, containers: [{ ...container, ...object.spec.containers[0] }] }
  // Without a version: controllers write to pods meanwhile.
  return { ...created, metadata: { ...metadata, resourceVersion: undefined }, spec }
}

function answerOf({ status, body }: Answer): ValidationAnswer {
  if (status < 300) return { code: status }
  const causes = (body.details?.causes ?? []) as { reason?: string; field?: string; message?: string }[]
  // The message of an error with causes is made of them, in an order that varies.
  if (causes.length === 0) return { code: status, reason: body.reason, message: comparable(body.message) }
  const sorted = causes
    .map(({ reason = '', field = '', message = '' }) => ({ reason, field, message: comparable(message) }))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return { code: status, reason: body.reason, causes: sorted }
}

/** A message without the parts that differ between servers: random suffixes, and details of Go (structures, differences of them, parsers). */
function comparable(message: string): string {
  return message
    .replaceAll(/\bOne-[a-z0-9]{5}\b/g, 'One-.....')
    .replaceAll(/Invalid value: [[{].*[\]}]: /g, 'Invalid value: …: ')
    .replace(/\n@@[\s\S]*/, '')
    .replace(/(must be a valid regular expression, but isn't: ).*/, '$1…')
    .replace(/(cannot be handled as a \w+: )(converting|no kind|expected) .*/, '$1…')
    .replace(
      /^(the object provided is unrecognized|the body of the request is not valid JSON).*/,
      'the body is not an object',
    )
}
