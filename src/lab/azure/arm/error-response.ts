import { json } from '../http/service.ts'
import { ServiceError } from '../http/service-error.ts'

/** A refusal of Resource Manager or of one of its resource providers. */
export class ArmError extends ServiceError {
  override readonly name = 'ArmError'
}

export function armErrorResponse({ status, code, message, headers }: ArmError): Response {
  return json(status, { error: { code, message } }, headers)
}

export function resourceNotFound(type: string, name: string, group: string): ArmError {
  return new ArmError(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  )
}
