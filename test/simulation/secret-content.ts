import type { Secret } from '#kubernetes/client'
import { certificateIn } from './simulated-certificates.ts'
import type { Content } from './simulated-vaults.ts'

/** The values of a Secret as text, by key. */
export function contentOf({ data = {} }: Secret): Content {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  )
}

/** The object that a key of a Secret comes from, in this simulation. */
export function objectOfKey(key: string): string {
  if (key === 'tls.crt' || key === 'tls.key') return 'certificate'
  return key === '.dockerconfigjson' ? 'registry' : key
}

/** What a key of a Secret holds that was made from one answer of a provider. */
export function valueOfKey(key: string, answer: Content): string | undefined {
  const value = answer[objectOfKey(key)]
  if (key === 'tls.crt') return certificateIn(value ?? '')?.crt
  if (key === 'tls.key') return certificateIn(value ?? '')?.key
  return value
}

/** Whether every value comes from this one answer. */
export function isMadeFrom(content: Content, answer: Content): boolean {
  return Object.entries(content).every(([key, value]) => valueOfKey(key, answer) === value)
}
