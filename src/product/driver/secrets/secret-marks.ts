import type { Secret } from '#kubernetes/client'

/** Marks the Secrets that mirror volumes; only those are ours to change. Upstream's label. */
export const managedLabel = 'secrets-store.csi.k8s.io/managed'

/** Which class writes a Secret: two classes of one name for it must not write in turn for ever. */
export const classAnnotation = 'keymount.dev/class'

/** Since when no class names the Secret, in RFC 3339. Any class that names it takes it over. */
export const unnamedAnnotation = 'keymount.dev/unnamed-since'

/** Under this name the API server records the fields that are ours. */
export const fieldManager = 'keymount-driver'

export function isManaged({ metadata }: Secret): boolean {
  return metadata.labels?.[managedLabel] === 'true'
}
