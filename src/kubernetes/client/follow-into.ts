import { type Following, type FollowOptions, follow } from './follow.ts'
import type { KubeClient } from './kube-client.ts'
import type { KubeObject } from './objects.ts'
import type { Resource } from './resources.ts'

export interface FollowIntoOptions<T, V> extends FollowOptions {
  /** The part of an object to store; undefined to store nothing. */
  keep(object: T): V | undefined
  /** Called after every change. */
  onChange?: () => void
}

/** Follows a collection, and keeps in `map`, by {@link objectKey}, what is wanted of each object as long as it is there. */
export function followInto<T extends KubeObject, V>(
  map: Map<string, V>,
  client: KubeClient,
  resource: Resource<T>,
  { keep, onChange = () => {}, ...options }: FollowIntoOptions<T, V>,
): Following {
  const pick = (object: T) => [objectKey(object), keep(object)] as const
  const set = ([key, value]: readonly [string, V | undefined]) => {
    if (value === undefined) map.delete(key)
    else map.set(key, value)
  }
  return follow(
    client,
    resource,
    { ...options, pick },
    {
      onList(entries) {
        map.clear()
        for (const entry of entries) set(entry)
        onChange()
      },
      onChange(type, object) {
        if (type === 'DELETED') map.delete(objectKey(object))
        else set(pick(object))
        onChange()
      },
    },
  )
}

/** `namespace/name`. */
export function objectKey({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

/** For a sort by {@link objectKey}. */
export function compareByKey(a: KubeObject, b: KubeObject): number {
  return objectKey(a) < objectKey(b) ? -1 : 1
}
