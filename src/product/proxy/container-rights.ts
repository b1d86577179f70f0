/** What a container may that needs no right at all: the Pod Security Standard `restricted`, and a root file system that is read only. */
export const leastRights = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  seccompProfile: { type: 'RuntimeDefault' },
} as const

/** The user and the group of a container, whatever the pod has. */
export function asUser(user: number) {
  return { runAsNonRoot: true, runAsUser: user, runAsGroup: user }
}
