/** The limits of Entra ID that its clients can observe. */

/** Validity of a token for an application, in seconds. https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes */
export const applicationTokenSeconds = 3599
/** Validity of a token for a managed identity, in seconds. */
export const managedIdentityTokenSeconds = 86_399
/** How long keys of an outside issuer are cached, in milliseconds. */
export const issuerKeysFreshMs = 60_000
/** A token with an unknown key id makes Entra fetch the issuer's keys again, at most once in this time, in milliseconds. */
export const issuerKeysCooldownMs = 2_000
/** Time that a user has to enter a device code, in seconds. */
export const deviceCodeSeconds = 900
