import { follow, type KubeClient, type KubeObject, type ObjectRef, type Resource } from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'

/** Follows a single object. `onChange` gets it after each change, and undefined while it does not exist. */
export function followOne<T extends KubeObject>(
  { kube, clock, log }: { kube: KubeClient; clock: Clock; log: Log },
  resource: Resource<T>,
  { name, namespace }: ObjectRef,
  onChange: (object: T | undefined) => void,
): Running {
  return follow(
    kube,
    resource,
    { fieldSelector: `metadata.name=${name}`, namespace, clock, log },
    {
      onList: ([found]) => onChange(found),
      onChange: (type, changed) => onChange(type === 'DELETED' ? undefined : changed),
    },
  )
}
