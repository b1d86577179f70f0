import type { ErrorCode } from './error-catalogue.ts'

/**
 * Causes that pass by themselves: the vault, Entra or the way to them does not work now. In such an outage, values from before may fill the volume of a new
 * pod. Every other cause is a decision (a right, a firewall, an object that was disabled or deleted) or a mistake, and ends the mount.
 */
const passing: ReadonlySet<string> = new Set<ErrorCode>([
  'deadline-exceeded',
  'entra-throttled',
  'entra-unreachable',
  'managed-identity-unreachable',
  'pod-identity-unreachable',
  'provider-timeout',
  'provider-unavailable',
  'token-proxy-unavailable',
  'vault-connection-failed',
  'vault-connection-refused',
  'vault-error',
  'vault-name-not-resolved',
  'vault-proxy-refused',
  'vault-throttled',
  'vault-timeout',
  'vault-tls-failed',
])

/** Whether a cause passes by itself. An unknown code does not. */
export function isPassingError(code: string): boolean {
  return passing.has(code)
}
