import type { z } from 'zod'
import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import { Refusal } from '../http/refusal.ts'

/** One operation of Resource Manager: its request, its permission and its handler. The service is the table of them. */
export interface ArmOperation {
  /** The name that is counted, for example `arm.vault.put`. */
  operation: string
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** In canonical form (see resource-path.ts). `:subscription` and `:group` must exist. */
  path: string
  /** RBAC action on the target, or `filtered`: the response contains only what the caller may read. */
  action: string
  /** True for the one operation that creates its `:group`. */
  createsGroup?: boolean | undefined
  run(call: ArmCall): ArmAnswer | Promise<ArmAnswer>
}

/** A row of the table of operations. */
export function armOperation(
  operation: string,
  method: ArmOperation['method'],
  path: string,
  action: string,
  run: ArmOperation['run'],
): ArmOperation {
  return { operation, method, path, action, run }
}

export interface ArmCall {
  caller: AccessTokenClaims
  /** A name in the path, in the caller's casing. */
  name(parameter: string): string
  url: URL
  /** Id of the target, in the caller's casing. */
  targetId: string
  /** For operations on an extension resource such as a role assignment: the id of the resource that it extends. */
  scope: string
  /** The JSON body in the shape of `schema`. Throws {@link Refusal} with every problem. */
  body<T extends z.ZodType>(schema: T): Promise<z.output<T>>
  /** True when the caller may do `action` on the resource with this id. */
  may(action: string, resourceId: string): boolean
}

export interface ArmAnswer {
  status: number
  body?: unknown
  headers?: Record<string, string> | undefined
}

/** Refuses a body that does not match its schema, in Resource Manager's words. */
export function invalidBody(error: z.ZodError): Refusal {
  const problems = error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  return new Refusal(400, 'InvalidRequestContent', `The request content was invalid: ${problems.join('; ')}`)
}
