/** Answer of an API server to `/version`. Providers append to the minor version: `32+`. */
export interface ServerVersion {
  major?: string
  minor?: string
  /** `v1.34.4`, as providers print it. */
  gitVersion?: string
}

/** @param oldest a minor version of Kubernetes 1. A server that does not report its version is older than any. */
export function isAtLeast({ major, minor }: ServerVersion, oldest: number): boolean {
  const [first = 0, second = 0] = [major, minor].map((text) => Number.parseInt(text ?? '0', 10))
  return first > 1 || (first === 1 && second >= oldest)
}

/**
 * The minor version of Kubernetes 1 since which containers can have environment variables from files without a feature gate.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/
 */
export const envFilesMinor = 35
