/**
 * Attribute of a mount request: the annotations of the service account, as a JSON object of strings. The sync controller sets
 * it for a provider that may not ask the API server; our provider reads client and tenant from it where the class names none.
 */
export const serviceAccountAnnotationsAttribute = 'keymount.dev/service-account-annotations'
