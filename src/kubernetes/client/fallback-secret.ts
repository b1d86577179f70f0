/** The key of the Secret of `fallbackSecretName` that has the content of a file of the volume: keys cannot contain `/`. */
export function fallbackSecretKey(path: string): string {
  return path.replaceAll('/', '.')
}
