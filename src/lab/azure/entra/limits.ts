/** The figures of Entra ID that its clients can notice. */

/** Life of a token for an application, in seconds. https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes */
export const applicationTokenSeconds = 3599
/** Life of a token for a managed identity, in seconds. */
export const managedIdentityTokenSeconds = 86_399
/** Keys of an outside issuer are used for this long before they are fetched again, in milliseconds. */
export const issuerKeysFreshMs = 60_000
/** A token with an unknown key id makes Entra fetch the issuer's keys anew, but not more often than this, in milliseconds. */
export const issuerKeysCooldownMs = 2_000
/** Time that a user has to enter a device code, in seconds. */
export const deviceCodeSeconds = 900
