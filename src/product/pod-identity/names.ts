/** Labels, annotations and finalizers of AAD Pod Identity. https://azure.github.io/aad-pod-identity/docs/ */
export const podIdentityNames = {
  /** Label of a pod: the selector of its bindings. */
  podLabel: 'aadpodidbinding',
  /** Label of an AzureAssignedIdentity, by which a node endpoint selects those of its node. */
  nodeLabel: 'nodename',
  finalizer: 'azureassignedidentity.finalizers.aadpodidentity.k8s.io',
  /** Annotation of an AzureIdentity: `namespaced` restricts it to pods of its own namespace. */
  behaviour: 'aadpodidentity.k8s.io/Behavior',
} as const
