import type { z } from 'zod'
import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import { Refusal } from '../http/refusal.ts'

/** One operation of Resource Manager: where it is, which permission it needs, what it does. The tables of them are the service. */
export interface ArmOperation {
  /** The name that is counted, for example `arm.vault.put`. */
  operation: string
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** In canonical form (see resource-path.ts). `:subscription` and `:group` must exist. */
  path: string
  /** RBAC action on the target, or `filtered`: the answer holds only what the caller may read. */
  action: string
  /** True for the one operation whose `:group` need not exist. */
  makesGroup?: boolean
  run(call: ArmCall): ArmAnswer | Promise<ArmAnswer>
}

export interface ArmCall {
  caller: AccessTokenClaims
  /** The path's names, in the caller's casing. */
  name(parameter: string): string
  url: URL
  /** Id of the target, in the caller's casing. */
  targetId: string
  /** For operations on an extension such as a role assignment: what it extends. */
  scope: string
  /** The JSON body in the shape of `schema`. Throws {@link Refusal} with every problem. */
  body<T extends z.ZodType>(schema: T): Promise<z.output<T>>
  /** True when the caller may do `action` on the resource with this id. */
  may(action: string, resourceId: string): boolean
}

export interface ArmAnswer {
  status: number
  body?: unknown
  headers?: Record<string, string>
}

/** A value that a schema refused, in Resource Manager's way. */
export function invalidBody(error: z.ZodError): Refusal {
  const problems = error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  return new Refusal(400, 'InvalidRequestContent', `The request content was invalid: ${problems.join('; ')}`)
}
