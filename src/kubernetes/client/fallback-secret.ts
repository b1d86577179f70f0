/**
 * Annotation of a SecretSync, and of the Secret of `fallbackSecretName` that it makes: the versions of the objects in it, as a JSON object
 * of versions by id.
 */
export const versionsAnnotation = 'keymount.dev/versions'

/** The key of the Secret of `fallbackSecretName` that has the content of a file of the volume: keys cannot contain `/`. */
export function fallbackSecretKey(path: string): string {
  return path.replaceAll('/', '.')
}
