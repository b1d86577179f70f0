import { escapeXml, XmlError, xmlElement } from '#lib/formats'
import { Refusal, type RefusalOptions } from '../http/refusal.ts'
import type { Exchange } from '../http/service.ts'
import { xmlResponse } from './xml-response.ts'

/** A refusal of a storage service, with the elements that Azure adds to its body. */
export class StorageRefusal extends Refusal {
  readonly details: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    details: Readonly<Record<string, string>> = {},
    options: RefusalOptions = {},
  ) {
    super(status, code, message, options)
    this.details = details
  }
}

/** A refusal as the storage services answer it. https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2 */
export function storageErrorResponse(refusal: Refusal, { requestId }: Exchange): Response {
  const { status, code, message, headers } = refusal
  const text = `${message}\nRequestId:${requestId}\nTime:${new Date().toISOString()}`
  const details = refusal instanceof StorageRefusal ? Object.entries(refusal.details) : []
  const body = xmlElement('Error', [
    xmlElement('Code', code),
    xmlElement('Message', printable(text)),
    ...details.map(([name, value]) => xmlElement(name, printable(value))),
  ])
  return xmlResponse(status, body, { 'x-ms-request-id': requestId, 'x-ms-error-code': code, ...headers })
}

/** What a client sent may have characters that XML cannot. */
function printable(text: string): string {
  try {
    escapeXml(text)
    return text
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    return text.replace(/[^\n\x20-\x7e]/g, '?')
  }
}

export function queueNotFound(): Refusal {
  return new StorageRefusal(404, 'QueueNotFound', 'The specified queue does not exist.')
}

export function invalidXml(): Refusal {
  return new StorageRefusal(400, 'InvalidXmlDocument', 'XML specified is not syntactically valid.')
}

export function tooLarge(limit: number): Refusal {
  return new StorageRefusal(
    413,
    'RequestBodyTooLarge',
    'The request body is too large and exceeds the maximum permissible limit.',
    { MaxLimit: String(limit) },
  )
}

export function invalidQuery(name: string, value: string, reason: string): Refusal {
  return new StorageRefusal(
    400,
    'InvalidQueryParameterValue',
    'Value for one of the query parameters specified in the request URI is invalid.',
    { QueryParameterName: name, QueryParameterValue: value, Reason: reason },
  )
}

export function missingQuery(name: string): Refusal {
  return new StorageRefusal(
    400,
    'MissingRequiredQueryParameter',
    'A query parameter that is mandatory for this request is not specified.',
    { QueryParameterName: name },
  )
}
