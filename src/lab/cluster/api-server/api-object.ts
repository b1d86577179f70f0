import type { ObjectMeta } from '#kubernetes/client'
import { recordOf, stringOf, valueAt } from '#lib/formats'

/** Metadata of every stored object. */
export interface Metadata extends ObjectMeta {
  name: string
}

/** Any object of the API. Stored ones are frozen: clone before changing. */
export interface ApiObject {
  apiVersion: string
  kind: string
  metadata: Metadata
  [field: string]: unknown
}

/** Fields of the metadata that only the server writes. */
export const serverFields: readonly string[] = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
]

export function isRecord(value: unknown): value is Record<string, unknown> {
  return recordOf(value) !== undefined
}

/** The text at a path; empty when there is none. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  return stringOf(valueAt(value, ...path)) ?? ''
}

/** The number at a path; 0 when there is none. */
export function numberAt(value: unknown, ...path: readonly (string | number)[]): number {
  const found = valueAt(value, ...path)
  return typeof found === 'number' ? found : 0
}

/** The objects of the list at a path; empty when there is none. */
export function recordsAt(value: unknown, ...path: readonly (string | number)[]): Record<string, unknown>[] {
  const found = valueAt(value, ...path)
  return Array.isArray(found) ? found.filter(isRecord) : []
}

/** The texts of the list at a path; empty when there is none. */
export function textsAt(value: unknown, ...path: readonly (string | number)[]): string[] {
  const found = valueAt(value, ...path)
  return Array.isArray(found) ? found.filter((item) => typeof item === 'string') : []
}

/** The entries of a map of texts at a path; empty when there is none. */
export function mapAt(value: unknown, ...path: readonly (string | number)[]): Record<string, string> {
  const found = valueAt(value, ...path)
  if (!isRecord(found)) return {}
  return Object.fromEntries(Object.entries(found).filter(([, text]) => typeof text === 'string')) as Record<
    string,
    string
  >
}

/** Sets a field, whatever its name: assigning to `__proto__`, a valid key of a ConfigMap, would set no field. */
export function setField(record: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') record[name] = value
  else Object.defineProperty(record, name, { value, writable: true, enumerable: true, configurable: true })
}

/** Sets the fields that are absent. */
export function setDefaults(fields: Record<string, unknown>, defaults: object): void {
  for (const [name, value] of Object.entries(defaults)) fields[name] ??= structuredClone(value)
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) deepFreeze(child)
  }
  return value
}
