import { envFilesMinor, isAtLeast, type ServerVersion } from '#kubernetes/client'

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

/** Why containers cannot have environment variables from files; undefined when they can. */
export function envFilesProblem(version: ServerVersion): string | undefined {
  if (isAtLeast(version, envFilesMinor)) return undefined
  const found = version.gitVersion ?? `${version.major ?? '?'}.${version.minor ?? '?'}`
  return `environment variables from files need Kubernetes 1.${envFilesMinor} or newer, and the API server is ${found}`
}
