import type { ApiObject } from '../api-object.ts'
import type { Column } from '../kinds/columns.ts'

/** What of each object a row carries besides its cells. */
export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** A list as a server-side table. https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables */
export function tableOf(
  objects: readonly ApiObject[],
  options: { columns: readonly Column[]; include: IncludeObject; metadata: object; now: number },
) {
  const { columns, include, metadata, now } = options
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(({ cell: _, ...definition }) => definition),
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, now) ?? null),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : partial(object) }),
    })),
  }
}

function partial({ metadata }: ApiObject) {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
}
