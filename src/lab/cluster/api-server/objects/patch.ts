import { isDeepStrictEqual } from 'node:util'
import { recordOf, valueAt } from '#lib/formats'
import { ApiError, badRequest } from '../api-error.ts'
import { isRecord, setField } from '../api-object.ts'
import { type ListKeys, mergedSets } from '../kinds/list-keys.ts'

/** RFC 7396. Changes nothing in place. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field]
    else setField(result, field, mergePatch(ownField(result, field), value))
  }
  return result
}

const ownField = (record: Record<string, unknown>, field: string): unknown =>
  Object.hasOwn(record, field) ? record[field] : undefined

interface JsonOperation {
  op: unknown
  path: string
  from: string
  value: unknown
}

/** Limits of a real API server: operations in one patch, and bytes that its `copy` operations may add. */
const maxOperations = 10_000
const maxCopiedBytes = 3 * 1024 * 1024

/** A document under patch. It is a field of the root, so that the empty pointer leads to a field like any other. */
interface Root {
  document: unknown
  copiedBytes: number
}

/** RFC 6902. Changes the document in place and returns it. Throws 400 for a malformed patch, 413 for one that is too large, 422 for one that does not fit. */
export function jsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw badRequest('a JSON patch must be an array of operations')
  if (operations.length > maxOperations) {
    const found = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${operations.length}`
    throw new ApiError(413, 'RequestEntityTooLarge', found)
  }
  const root: Root = { document, copiedBytes: 0 }
  for (const operation of operations.map(parseOperation)) applyOperation(root, operation)
  return root.document
}

function parseOperation(operation: unknown): JsonOperation {
  const { op, path, from = '', value } = recordOf(operation) ?? {}
  if (!isPointer(path) || !isPointer(from)) throw badRequest('every operation of a JSON patch needs a valid "path"')
  return { op, path, from, value }
}

/** RFC 6901: empty, or every step begins with a slash. */
function isPointer(text: unknown): text is string {
  return typeof text === 'string' && (text === '' || text.startsWith('/'))
}

function applyOperation(root: Root, { op, path, from, value }: JsonOperation): void {
  switch (op) {
    case 'add':
      addAt(root, path, value)
      return
    case 'remove':
      removeAt(root, path)
      return
    case 'replace':
      removeAt(root, path)
      addAt(root, path, value)
      return
    case 'move':
      addAt(root, path, removeAt(root, from))
      return
    case 'copy':
      addAt(root, path, copyOf(root, from))
      return
    case 'test':
      if (isDeepStrictEqual(readAt(root, path), value)) return
      throw unprocessable(`testing path ${path} failed: the value differs`)
    default:
      throw badRequest(`Unexpected kind: ${op}`)
  }
}

const unprocessable = (message: string) =>
  new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`)

/** A document that is copied into itself doubles each time, so what all copies add is bounded. */
function copyOf(root: Root, from: string): unknown {
  const text = JSON.stringify(readAt(root, from))
  root.copiedBytes += text.length
  if (root.copiedBytes > maxCopiedBytes) throw unprocessable(`copies add more than ${maxCopiedBytes} bytes`)
  return JSON.parse(text)
}

/** The container that a JSON pointer leads to, and its last step. */
function locate(root: Root, path: string): { parent: Record<string, unknown> | unknown[]; key: string } {
  const steps = ['document', ...path.split('/').slice(1)].map((step) =>
    step.replaceAll('~1', '/').replaceAll('~0', '~'),
  )
  const key = steps.pop() ?? ''
  const parent = valueAt(root, ...steps)
  if (!isRecord(parent) && !Array.isArray(parent)) throw unprocessable(`the path ${path} does not exist`)
  return { parent, key }
}

function indexIn(list: readonly unknown[], key: string, path: string, last: number): number {
  const index = key === '-' ? list.length : Number(key)
  if (!/^(-|0|[1-9]\d*)$/.test(key) || index > last) throw unprocessable(`the path ${path} does not exist`)
  return index
}

function readAt(root: Root, path: string): unknown {
  const { parent, key } = locate(root, path)
  if (Array.isArray(parent)) return parent[indexIn(parent, key, path, parent.length - 1)]
  if (!Object.hasOwn(parent, key)) throw unprocessable(`the path ${path} does not exist`)
  return parent[key]
}

function addAt(root: Root, path: string, value: unknown): void {
  if (value === undefined) throw unprocessable(`the operation at ${path} has no value`)
  const { parent, key } = locate(root, path)
  if (Array.isArray(parent)) parent.splice(indexIn(parent, key, path, parent.length), 0, value)
  else setField(parent, key, value)
}

function removeAt(root: Root, path: string): unknown {
  const removed = readAt(root, path)
  const { parent, key } = locate(root, path)
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else delete parent[key]
  return removed
}

/**
 * Strategic merge: like RFC 7396, but lists with a merge key are merged item by item, and `$patch`, `$retainKeys`,
 * `$setElementOrder/…` and `$deleteFromPrimitiveList/…` are its directives.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
export function strategicPatch(
  target: unknown,
  patch: unknown,
  keysOf: ListKeys,
  path: readonly string[] = [],
): unknown {
  if (!isRecord(patch)) return patch
  if (patch.$patch === 'replace') return withoutDirectives(patch)
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith('$')) continue
    if (value === null || valueOfDirective(value) === 'delete') delete result[field]
    else {
      const before = ownField(result, field)
      const below = [...path, field]
      const merged = Array.isArray(value)
        ? patchList(before, value, keysOf, below)
        : strategicPatch(before, value, keysOf, below)
      setField(result, field, merged)
    }
  }
  for (const [directive, value] of Object.entries(patch)) steer(result, directive, value, keysOf, path)
  return result
}

const valueOfDirective = (value: unknown) => (isRecord(value) ? value.$patch : undefined)

function withoutDirectives(patch: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(patch).filter(([field]) => !field.startsWith('$')))
}

function patchList(target: unknown, patch: readonly unknown[], keysOf: ListKeys, path: readonly string[]): unknown {
  const before: unknown[] = Array.isArray(target) ? target : []
  if (mergedSets.has(path.at(-1) ?? '')) return [...new Set([...before, ...patch])]
  const key = keysOf(path)?.[0]
  if (key === undefined) return patch
  if (patch.some((item) => valueOfDirective(item) === 'replace' && !(isRecord(item) && key in item))) {
    return patch.filter((item) => valueOfDirective(item) === undefined)
  }
  // By key, so that long lists take linear time. A key that occurs twice, or not at all, does not identify an item.
  const result = new Map<unknown, unknown>(before.map((item) => [keyIn(item, key) ?? item, item]))
  for (const item of patch) {
    const identity = keyIn(item, key) ?? item
    if (valueOfDirective(item) === 'delete') result.delete(identity)
    else result.set(identity, strategicPatch(result.get(identity), item, keysOf, [...path, '*']))
  }
  return [...result.values()]
}

const keyIn = (item: unknown, key: string): unknown => (isRecord(item) ? item[key] : undefined)

function steer(
  result: Record<string, unknown>,
  directive: string,
  value: unknown,
  keysOf: ListKeys,
  path: readonly string[],
): void {
  if (!Array.isArray(value)) return
  if (directive === '$retainKeys') {
    for (const field of Object.keys(result)) if (!value.includes(field)) delete result[field]
    return
  }
  const [name, field] = directive.split('/')
  const list = field === undefined ? undefined : ownField(result, field)
  if (field === undefined || !Array.isArray(list)) return
  if (name === '$deleteFromPrimitiveList') result[field] = list.filter((item) => !value.includes(item))
  if (name === '$setElementOrder') {
    const key = keysOf([...path, field])?.[0]
    const identity = (item: unknown) => (key === undefined ? item : (keyIn(item, key) ?? item))
    const order = new Map(value.map((item, index) => [identity(item), index]))
    // Items that the patch does not order stay at the end.
    const rank = (item: unknown) => order.get(identity(item)) ?? order.size
    result[field] = list.toSorted((a, b) => rank(a) - rank(b))
  }
}
