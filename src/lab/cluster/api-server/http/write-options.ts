import { badRequest } from '../api-error.ts'
import type { WriteOptions } from '../objects/write-request.ts'
import type { ApiCall } from './api-call.ts'
import { addWarning } from './http-exchange.ts'

/** The options of a write, from the query and the headers of its request. Throws 400. */
export function writeOptionsOf({ info, url, request, response }: ApiCall): WriteOptions {
  const validation = url.searchParams.get('fieldValidation') || 'Warn'
  if (validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore') {
    throw badRequest(
      `fieldValidation: Unsupported value: "${validation}": supported values: "Ignore", "Strict", "Warn"`,
    )
  }
  return {
    version: info.version,
    manager: url.searchParams.get('fieldManager') || (request.headers['user-agent'] ?? '').split('/')[0] || 'unknown',
    dryRun: parseDryRun(url.searchParams.get('dryRun')),
    validation,
    subresource: info.subresource === 'status' ? 'status' : undefined,
    warn: (text) => addWarning(response, text),
  }
}

export function parseDryRun(value: string | null): boolean {
  if (value === null || value === '') return false
  if (value === 'All') return true
  throw badRequest(`dryRun: Unsupported value: "${value}": supported values: "All"`)
}
