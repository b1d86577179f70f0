/** One request to an API server, and what is done before it. Requests are dry runs with strict field validation. */
export interface ValidationCase {
  name: string
  /** Collection in the scratch namespace (`secrets`), or with its group (`apis/coordination.k8s.io/v1/leases`). */
  resource: string
  /** The object that is created, or that replaces `before`. */
  object: unknown
  /** An object that exists; the request then is an update of it. */
  before?: object | undefined
}

/** What is compared with the real API server. Causes are sorted: Go walks maps in random order. */
export interface ValidationAnswer {
  code: number
  reason?: string | undefined
  message?: string | undefined
  causes?: readonly { reason: string; field: string; message: string }[] | undefined
}

/** The namespace in which cases are tried; its name is in messages. */
export const scratchNamespace = 'keymount-validation'

/** Cases of one kind: `name → object`, or `name → [before, object]` for an update. */
export function casesOf(
  resource: string,
  rows: Record<string, object | string | readonly [before: object, object: object]>,
): ValidationCase[] {
  return Object.entries(rows).map(([name, row]) => {
    const what = `${resource.split('/').at(-1)}: ${name}`
    if (!Array.isArray(row)) return { name: what, resource, object: row }
    const [before, object] = row as [object, object]
    return { name: what, resource, object, before }
  })
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64')
