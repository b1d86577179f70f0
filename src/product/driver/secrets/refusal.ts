import { isForbidden } from '#kubernetes/client'
import { errorMessage } from '#lib'

/**
 * Why the API server refused a request, for an event. RBAC refuses in the form `User "…" cannot get resource "secrets"`;
 * every other 403 comes from an admission plug-in or webhook, whose message has the reason.
 * Without `syncSecret.enabled`, or outside of `syncSecret.namespaces`, the chart gives none of the rights, so the first read is
 * refused; an older role lacks single ones.
 */
export function refusalText(error: unknown): string {
  const text = errorMessage(error)
  const [, verb, resource] = /cannot (\w+) resource "(\w+)"/.exec(text) ?? []
  if (!isForbidden(error) || verb === undefined) return text
  if (verb === 'get')
    return `the driver may not write Secrets here; set syncSecret.enabled=true (in the lab: keymount up --secret-sync), and name the namespace if syncSecret.namespaces names any: ${text}`
  return `the driver's role has no right to ${verb} ${resource}; install the chart of this version: ${text}`
}
