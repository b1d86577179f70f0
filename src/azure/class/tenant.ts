import type { Problem } from '#lib'

/** Whether a text can be a tenant: an id or a domain. Anything else would become a part of the address that tokens come from. */
export function isTenant(text: string): boolean {
  return /^[A-Za-z0-9.-]+$/.test(text)
}

export function invalidTenant(text: string): Problem {
  return {
    path: '',
    message: `invalid tenantID: found "${text}", expected a tenant id or domain: letters, digits, "." and "-"`,
  }
}
