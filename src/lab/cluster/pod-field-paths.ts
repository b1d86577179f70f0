/** Fields of a pod that variables and downward API files may name. https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields */
export const podFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
] as const

export type PodFieldPath = (typeof podFieldPaths)[number]
