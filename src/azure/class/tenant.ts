import type { Problems } from '#lib'

/** A tenant is an id or a domain: anything else would become a part of the address that tokens come from. */
export function checkTenant(text: string, problems: Problems): void {
  if (/^[A-Za-z0-9.-]{1,253}$/.test(text)) return
  problems.add('', `invalid tenantID: found "${text}", expected a tenant id or domain: letters, digits, "." and "-"`)
}
