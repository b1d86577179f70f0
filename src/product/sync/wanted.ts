import {
  classAnnotations,
  type ObjectReference,
  type OwnerReference,
  type SecretObject,
  type SecretProviderClass,
  type SecretSync,
} from '#kubernetes/client'

/** A Secret that is requested: by a SecretSync, or by an entry of `secretObjects` of a class. */
export interface Wanted {
  /** For an entry of a class, a SecretSync as its author would have written it; it exists nowhere. */
  sync: SecretSync
  /** What the Secret is deleted with. */
  owner: OwnerReference
  /** What events are about. */
  about: ObjectReference
  fromClass: boolean
}

export function wantedBySync(sync: SecretSync): Wanted {
  const { name = '', namespace = '', uid = '' } = sync.metadata
  const kind = { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync' }
  return { sync, owner: { ...kind, name, uid }, about: { ...kind, namespace, name, uid }, fromClass: false }
}

/** Key of a SecretSync in the queue: `namespace/name`. */
export function keyOf({ metadata }: SecretSync): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

/** Keys in the queue of the Secrets of a class: `namespace/class/name/Secret`, which is the key of no SecretSync. */
export function classSecretKeys(secretClass: SecretProviderClass): string[] {
  const { namespace = '', name = '' } = secretClass.metadata
  const names = entriesOf(secretClass).map(({ secretName = '' }) => secretName.trim())
  return [...new Set(names)].filter((one) => one !== '').map((one) => `${namespace}/class/${name}/${one}`)
}

/** The Secrets that a class has the controller make: none unless it names a service account for it. */
function entriesOf(secretClass: SecretProviderClass): readonly SecretObject[] {
  return accountOfClass(secretClass) === '' ? [] : (secretClass.spec?.secretObjects ?? [])
}

/** Undefined when the class no longer asks for the Secret. */
export function wantedByClass(secretClass: SecretProviderClass, secretName: string): Wanted | undefined {
  const entry = entriesOf(secretClass).find((one) => one.secretName?.trim() === secretName)
  if (entry === undefined) return undefined
  const { namespace = '', name = '', uid = '', generation } = secretClass.metadata
  const kind = { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClass' }
  const { type, labels, annotations, data = [] } = entry
  const sync: SecretSync = {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: { namespace, name: secretName, uid, ...(generation === undefined ? {} : { generation }) },
    spec: {
      secretProviderClassName: name,
      serviceAccountName: accountOfClass(secretClass),
      secretObject: {
        type: type?.trim() || 'Opaque',
        data: data.map(({ objectName = '', key = '' }) => ({ sourcePath: objectName, targetKey: key })),
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
      },
    },
  }
  return { sync, owner: { ...kind, name, uid }, about: { ...kind, namespace, name, uid }, fromClass: true }
}

function accountOfClass({ metadata }: SecretProviderClass): string {
  return metadata.annotations?.[classAnnotations.syncServiceAccount]?.trim() ?? ''
}
