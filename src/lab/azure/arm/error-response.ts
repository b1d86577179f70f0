import { Refusal } from '../http/refusal.ts'
import { json } from '../http/service.ts'

/** A refusal as Resource Manager and its resource providers answer it. */
export function armErrorResponse({ status, code, message, headers }: Refusal): Response {
  return json(status, { error: { code, message } }, headers)
}

export function resourceNotFound(type: string, name: string, group: string): Refusal {
  return new Refusal(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  )
}
