/**
 * Attribute of a mount request: how old, in milliseconds, an answer may be that the provider shares between requests. The
 * driver sets it for a rotation that was asked for, so that the values are at least as new as the request. The protocol has
 * no field for it; providers ignore attributes that they do not know.
 */
export const maxAgeAttribute = 'keymount.dev/max-age-ms'
