import type { Refusal } from '../http/refusal.ts'
import { invalidQuery, missingQuery, StorageRefusal } from './error-response.ts'

/** A query parameter that is a whole number. Throws the {@link Refusal} that Azure answers. */
export function numberInQuery(
  url: URL,
  name: string,
  bounds: { min: number; max: number; fallback: number | undefined },
): number {
  const given = url.searchParams.get(name) ?? ''
  if (given === '') {
    if (bounds.fallback === undefined) throw missingQuery(name)
    return bounds.fallback
  }
  if (!/^-?\d{1,15}$/.test(given)) throw invalidQuery(name, given, 'The value is not a whole number.')
  const value = Number(given)
  if (value < bounds.min || value > bounds.max) throw outOfRange(name, given, bounds)
  return value
}

/** A query parameter that must be there. */
export function textInQuery(url: URL, name: string): string {
  const given = url.searchParams.get(name) ?? ''
  if (given === '') throw missingQuery(name)
  return given
}

function outOfRange(name: string, value: string, { min, max }: { min: number; max: number }): Refusal {
  return new StorageRefusal(
    400,
    'OutOfRangeQueryParameterValue',
    'One of the query parameters specified in the request URI is outside the permissible range.',
    { QueryParameterName: name, QueryParameterValue: value, MinimumAllowed: String(min), MaximumAllowed: String(max) },
  )
}
