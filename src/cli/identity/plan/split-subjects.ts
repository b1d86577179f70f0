import type { PlacedUse, PlanOptions } from './identity-plan.ts'

/** The uses of one identity in groups that fit into one identity each. The order of the uses does not matter. */
export function splitSubjects(
  uses: readonly PlacedUse[],
  { split, maxFics }: Pick<PlanOptions, 'split' | 'maxFics'>,
): PlacedUse[][] {
  const sorted = uses.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  return split === 'by-namespace' ? byNamespace(sorted, maxFics) : roundRobin(sorted, maxFics)
}

function orderOf({ cluster, subject }: PlacedUse): string {
  return `${cluster.name} ${subject}`
}

function roundRobin(sorted: readonly PlacedUse[], max: number): PlacedUse[][] {
  const parts: PlacedUse[][] = Array.from({ length: Math.ceil(sorted.length / max) }, () => [])
  for (const [index, use] of sorted.entries()) parts[index % parts.length]?.push(use)
  return parts
}

/** Accounts of one namespace stay together, so that a class needs one client id: into the first part with room, large namespaces first. */
function byNamespace(sorted: readonly PlacedUse[], max: number): PlacedUse[][] {
  const namespaces = Map.groupBy(sorted, ({ cluster, namespace }) => `${cluster.name} ${namespace}`)
  const chunks = [...namespaces.values()].flatMap((list) => chunksOf(list, max))
  const parts: PlacedUse[][] = []
  for (const chunk of chunks.toSorted((a, b) => b.length - a.length)) {
    const roomy = parts.find((part) => part.length + chunk.length <= max)
    if (roomy === undefined) parts.push([...chunk])
    else roomy.push(...chunk)
  }
  return parts
}

function chunksOf(list: readonly PlacedUse[], size: number): PlacedUse[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  )
}
