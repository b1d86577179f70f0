import type { Attributes } from '../access/authorization.ts'
import { badRequest } from '../api-error.ts'

/** A request about objects, from its method and URL. */
export interface ResourceRequest {
  verb: string
  group: string
  version: string
  plural: string
  subresource: string
  namespace: string | undefined
  name: string | undefined
}

/** A request about objects, or undefined for every other path. https://kubernetes.io/docs/reference/using-api/api-concepts/ */
export function parseResourceRequest(method: string, url: URL): ResourceRequest | undefined {
  const [root, ...parts] = url.pathname.split('/').slice(1).map(decode)
  if (root !== 'api' && root !== 'apis') return undefined
  const group = root === 'api' ? '' : (parts.shift() ?? '')
  const version = parts.shift() ?? ''
  let namespace: string | undefined
  // /namespaces/NS/pods is about pods, /namespaces/NS and /namespaces/NS/status are about the namespace.
  if (parts[0] === 'namespaces' && parts.length > 2 && parts[2] !== 'status' && parts[2] !== 'finalize') {
    namespace = parts[1]
    parts.splice(0, 2)
  }
  const [plural = '', name, subresource = ''] = parts
  // Of a proxy, the path on the other side follows.
  if (plural === '' || (parts.length > 3 && subresource !== 'proxy')) return undefined
  return { verb: verbOf(method, url, name), group, version, plural, subresource, namespace, name }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badRequest(`the path of the request is malformed: ${part}`)
  }
}

function verbOf(method: string, { searchParams }: URL, name: string | undefined): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== undefined) return 'get'
      return isTrue(searchParams.get('watch')) ? 'watch' : 'list'
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete'
    default:
      return method.toLowerCase()
  }
}

/** A flag of a URL: `true`, `1`, or without a value. */
export function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1' || value === ''
}

/** A number in a URL; 0 when there is none. Throws 400 for anything but a whole number of at least 0. */
export function parseCount({ searchParams }: URL, name: string): number {
  const text = searchParams.get(name) || '0'
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(`${name}: found ${JSON.stringify(text)}, expected a whole number of at least 0`)
  }
  return Number(text)
}

/** A request in the terms of authorization. */
export function attributesOf(info: ResourceRequest | undefined, method: string, url: URL): Attributes {
  if (info === undefined) return { verb: method.toLowerCase(), path: url.pathname }
  const { verb, group, plural, subresource, namespace, name = selectedName(url) } = info
  const isNamespace = group === '' && plural === 'namespaces'
  return { verb, group, resource: plural, subresource, name, namespace: isNamespace ? name : (namespace ?? '') }
}

/** A client that lists or watches one object by its name needs the right on that one only. */
function selectedName({ searchParams }: URL): string {
  const terms = (searchParams.get('fieldSelector') ?? '').split(',')
  return terms.flatMap((term) => /^metadata\.name==?([^=!]+)$/.exec(term)?.[1] ?? [])[0] ?? ''
}
