/** What the field writes on its objects. https://azure.github.io/aad-pod-identity/docs/ */
export const podIdentityNames = {
  /** Label of a pod: the selector of the bindings that are meant for it. */
  podLabel: 'aadpodidbinding',
  /** Label of an AzureAssignedIdentity, by which a node endpoint finds those of its node. */
  nodeLabel: 'nodename',
  finalizer: 'azureassignedidentity.finalizers.aadpodidentity.k8s.io',
  /** Annotation of an AzureIdentity: `namespaced` keeps it to pods of its own namespace. */
  behaviour: 'aadpodidentity.k8s.io/Behavior',
} as const
