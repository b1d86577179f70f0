/** The label of every Secret that the controller writes, and the prefix that a SecretSync must not use. */
export const reservedKey = 'secrets-store.sync.x-k8s.io'

/** Under this name the API server records the fields that are ours. */
export const fieldManager = 'secrets-store-sync-controller'
