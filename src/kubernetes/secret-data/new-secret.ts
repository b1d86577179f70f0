import type { OwnerReference, Secret } from '#kubernetes/client'
import type { SecretValue } from '#lib'

/** A Secret to write: its metadata, and its values by key. */
export interface NewSecret {
  namespace: string
  name: string
  type: string
  labels: Record<string, string>
  /** Undefined: the Secret has no such field. */
  annotations: Record<string, string> | undefined
  owners: readonly OwnerReference[]
  data: Iterable<readonly [key: string, value: SecretValue]>
}

/** The Secret as the API server takes it. */
export function newSecret({ namespace, name, type, labels, annotations, owners, data }: NewSecret): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels,
      ...(annotations === undefined ? {} : { annotations }),
      ...(owners.length > 0 ? { ownerReferences: [...owners] } : {}),
    },
    type,
    data: Object.fromEntries([...data].map(([key, value]) => [key, Buffer.from(value.reveal()).toString('base64')])),
  }
}
