const pattern = /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/.*\/userAssignedIdentities\/([^/]+)$/i

/** The parts of a user-assigned identity's resource id; empty where it is not one. */
export function managedIdentityId(resourceId: string): { subscription: string; group: string; name: string } {
  const [, subscription = '', group = '', name = ''] = pattern.exec(resourceId) ?? []
  return { subscription, group, name }
}
