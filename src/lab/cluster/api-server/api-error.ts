import { CodedError, errorMessage } from '#lib'

/** One wrong field of an object. */
export interface Cause {
  reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueNotFound'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueTooLong'
    | 'FieldValueTypeInvalid'
    | 'FieldManagerConflict'
  field: string
  /** Begins as in Kubernetes: `Required value`, `Invalid value: "x": …`. */
  message: string
}

const json = (value: unknown) => JSON.stringify(value ?? null)

/** Collects the wrong fields of an object, in the words of Kubernetes. `found` values are shown as JSON. */
export class Causes {
  readonly list: Cause[] = []

  required(field: string, why = ''): void {
    this.#add('Required', field, why === '' ? 'Required value' : `Required value: ${why}`)
  }

  invalid(field: string, found: unknown, why: string): void {
    this.#add('Invalid', field, `Invalid value: ${json(found)}: ${why}`)
  }

  unsupported(field: string, found: unknown, allowed: readonly unknown[]): void {
    const supported = allowed.map(json).join(', ')
    this.#add('NotSupported', field, `Unsupported value: ${json(found)}: supported values: ${supported}`)
  }

  forbidden(field: string, why: string): void {
    this.#add('Forbidden', field, `Forbidden: ${why}`)
  }

  notFound(field: string, found: unknown): void {
    this.#add('NotFound', field, `Not found: ${json(found)}`)
  }

  duplicate(field: string, found: unknown): void {
    this.#add('Duplicate', field, `Duplicate value: ${json(found)}`)
  }

  tooLong(field: string, maxBytes: number): void {
    this.#add('TooLong', field, `Too long: may not be more than ${maxBytes} bytes`)
  }

  /** @param types the types that are allowed there. */
  mistyped(field: string, found: string, types: string, subject = field): void {
    const message = `Invalid value: "${found}": ${subject} in body must be of type ${types}: "${found}"`
    this.#add('TypeInvalid', field, message)
  }

  #add(reason: string, field: string, message: string): void {
    this.list.push({ reason: `FieldValue${reason}` as Cause['reason'], field, message })
  }
}

interface Details {
  name?: string
  group?: string
  kind?: string
  causes?: readonly (Cause | Pick<Cause, 'message'>)[]
}

/**
 * The one error class of the API server, answered as a `Status`; the code is the HTTP status.
 * Texts are Kubernetes' own, because people search for them and clients match some of them.
 */
export class ApiError extends CodedError<number> {
  readonly reason: string
  readonly details: Details

  constructor(code: number, reason: string, message: string, details: Details = {}) {
    super(code, message)
    this.reason = reason
    this.details = details
  }
}

/** The kind that an error is about. */
export interface Named {
  group: string
  kind: string
  plural: string
}

const qualified = (name: string, group: string) => (group === '' ? name : `${name}.${group}`)
const detailsOf = ({ group, plural }: Named, name: string): Details => ({ name, group, kind: plural })

export const badRequest = (message: string) => new ApiError(400, 'BadRequest', message)

export const unauthorized = () => new ApiError(401, 'Unauthorized', 'Unauthorized')

export const notFound = (row: Named, name: string) =>
  new ApiError(404, 'NotFound', `${qualified(row.plural, row.group)} "${name}" not found`, detailsOf(row, name))

export const alreadyExists = (row: Named, name: string) =>
  new ApiError(
    409,
    'AlreadyExists',
    `${qualified(row.plural, row.group)} "${name}" already exists`,
    detailsOf(row, name),
  )

export const conflict = (row: Named, name: string, why: string) =>
  new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(row.plural, row.group)} "${name}": ${why}`,
    detailsOf(row, name),
  )

export const forbidden = (row: Named, name: string, why: string) =>
  new ApiError(
    403,
    'Forbidden',
    `${qualified(row.plural, row.group)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`,
    detailsOf(row, name),
  )

export function invalid(row: Named, name: string, causes: readonly Cause[]): ApiError {
  const list = causes.map(({ field, message }) => `${field}: ${message}`)
  const text = list.length === 1 ? list[0] : `[${list.join(', ')}]`
  const kind = qualified(row.kind, row.group)
  return new ApiError(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, {
    name,
    group: row.group,
    kind: row.kind,
    causes,
  })
}

export const expired = (asked: number, oldest: number) =>
  new ApiError(410, 'Expired', `too old resource version: ${asked} (${oldest})`)

/** A path, resource or option of Kubernetes that this server does not have. */
export const notSupported = (what: string) =>
  new ApiError(404, 'NotFound', `the server could not find the requested resource: the local cluster has no ${what}`)

export const methodNotAllowed = () =>
  new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource')

/** The client may try again a second later. */
export const tooManyRequests = () =>
  new ApiError(429, 'TooManyRequests', 'the server has received too many requests and has asked us to try again later')

/** The client accepts none of the media types that the server can send. */
export const notAcceptable = (available: string) =>
  new ApiError(406, 'NotAcceptable', `only the following media types are accepted: ${available}`)

export const unsupportedMediaType = (message: string) => new ApiError(415, 'UnsupportedMediaType', message)

/** The `Status` object for anything that was thrown. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export function statusOf(error: unknown): { code: number } & Record<string, unknown> {
  const { code, reason, message, details } =
    error instanceof ApiError
      ? error
      : { code: 500, reason: 'InternalError', message: `Internal error occurred: ${errorMessage(error)}`, details: {} }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code }
}
