import { isNotFound, type KubeClient, type KubeObject } from '#kubernetes/client'
import { attempt } from '../answer.ts'
import { type ClusterObjects, emptyObjects } from './cluster-objects.ts'
import { judgeClass } from './pick-class.ts'
import type { ViewName } from './rows.ts'
import { isClusterWide, type Source, sources } from './sources.ts'

/** What rows are made of, and what could not be read. */
export interface LoadedObjects {
  objects: ClusterObjects
  /** Why a source is missing, by its noun. */
  missing: ReadonlyMap<string, string>
}

export interface LoadOptions {
  /** Undefined: all. */
  namespace: string | undefined
  views: readonly ViewName[]
  signal: AbortSignal
}

/** Reads once what the rows of these views are made of, as far as the user may. */
export async function loadObjects(kube: KubeClient, { namespace, views, signal }: LoadOptions): Promise<LoadedObjects> {
  const objects = emptyObjects()
  const missing = new Map<string, string>()
  const wanted = sources.filter((source) => source.views.some((view) => views.includes(view)))
  await Promise.all(
    wanted.map(async (source) => {
      const answer = await attempt(() => load(kube, source, { namespace, signal }, objects))
      if ('why' in answer) missing.set(source.noun, answer.why)
    }),
  )
  signal.throwIfAborted()
  for (const facts of objects.classes.values()) judgeClass(facts)
  return { objects, missing }
}

async function load(
  kube: KubeClient,
  source: Source,
  { namespace, signal }: Pick<LoadOptions, 'namespace' | 'signal'>,
  objects: ClusterObjects,
): Promise<void> {
  const options = { ...source.selectors, namespace: isClusterWide(source) ? undefined : namespace, signal }
  try {
    const pick = (object: KubeObject) => source.entry(object)
    const { items } = await kube.list(source.resource, { ...options, pick })
    for (const entry of items) if (entry !== undefined) put(objects, source, entry)
  } catch (error) {
    if (!source.isOptional || !isNotFound(error)) throw error
  }
}

/** The types of key and value belong together by {@link Source}. */
export function put(objects: ClusterObjects, { map }: Source, [key, value]: readonly [string, unknown]): void {
  ;(objects[map] as Map<string, unknown>).set(key, value)
}
