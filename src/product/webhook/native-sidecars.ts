/** Answer of an API server to `/version`. Providers append to the minor version: `32+`. */
export interface ServerVersion {
  major?: string
  minor?: string
  /** `v1.34.4`, as providers print it. */
  gitVersion?: string
}

/**
 * Whether every node of a cluster can run init containers as sidecars. Kubelet can from 1.29 on, and a kubelet may be three
 * versions older than its API server. https://kubernetes.io/releases/version-skew-policy/#kubelet
 */
export function hasNativeSidecars(version: ServerVersion): boolean {
  return isAtLeast(version, 32)
}

/** Whether a container may ask for a restart of all containers of its pod: a beta feature of 1.36. */
export function mayRestartAllContainers(version: ServerVersion): boolean {
  return isAtLeast(version, 36)
}

/**
 * Why containers cannot have environment variables from files; undefined when they can. On by default since 1.35.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/
 */
export function envFilesProblem(version: ServerVersion): string | undefined {
  if (isAtLeast(version, 35)) return undefined
  const found = version.gitVersion ?? `${version.major ?? '?'}.${version.minor ?? '?'}`
  return `environment variables from files need Kubernetes 1.35 or newer, and the API server is ${found}`
}

function isAtLeast(version: ServerVersion, oldest: number): boolean {
  const [major = 0, minor = 0] = [version.major, version.minor].map((text) => Number.parseInt(text ?? '0', 10))
  return major > 1 || (major === 1 && minor >= oldest)
}
