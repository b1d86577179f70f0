import type { IdentityPlan, ManifestChange, PlacedUse } from './identity-plan.ts'

export interface ChangeQuestion {
  clientId: string
  way: IdentityPlan['way']
  /** The uses of each part. */
  split: readonly (readonly PlacedUse[])[]
  /** Uses that go through the token proxy, now or by this plan. */
  bound: readonly PlacedUse[]
}

type Changes = Pick<IdentityPlan, 'changes' | 'warnings'>

/** What has to change in the manifests. */
export function planChanges({ clientId, way, split, bound }: ChangeQuestion): Changes {
  if (way === 'split') return splitChanges(clientId, split)
  return {
    changes: once(bound.flatMap(throughProxy)),
    warnings: bound.length === 0 ? [] : bindingWarnings(clientId, bound),
  }
}

function throughProxy({ cluster, namespace, classes, workloads }: PlacedUse): ManifestChange[] {
  const at = { cluster: cluster.name, namespace }
  return [
    ...classes
      .filter((one) => !one.throughProxy)
      .map(({ name }): ManifestChange => ({ kind: 'class-through-proxy', ...at, name })),
    ...workloads
      .filter((one) => !one.throughProxy)
      .map((workload): ManifestChange => ({ kind: 'workload-through-proxy', ...at, name: workload.name, workload })),
  ]
}

/** Accounts share classes: each change once. */
function once(changes: readonly ManifestChange[]): ManifestChange[] {
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()]
}

/** A class that names no client signs in as that of each account that mounts it. */
function bindingWarnings(clientId: string, bound: readonly PlacedUse[]): string[] {
  const clusters = new Set(bound.map(({ cluster }) => cluster))
  return [...clusters].flatMap((cluster) => {
    const open = new Set(
      bound
        .filter((use) => use.cluster === cluster)
        .flatMap(({ namespace, classes }) =>
          classes.filter((one) => !one.namesClient && !one.throughProxy).map(({ name }) => `${namespace}/${name}`),
        ),
    )
    if (open.size === 0) return []
    return cluster.uses
      .filter((use) => use.clientId !== clientId)
      .flatMap((use) => {
        const shared = use.classes.map(({ name }) => `${use.namespace}/${name}`).filter((name) => open.has(name))
        return shared.map(
          (name) =>
            `class ${name} is also mounted as client ${use.clientId} (account ${use.account}), which then needs an identity binding, too`,
        )
      })
  })
}

/** Three places change: the identities, the accounts, and the classes that name the client for accounts of several parts. */
function splitChanges(clientId: string, split: readonly (readonly PlacedUse[])[]): Changes {
  const partOf = new Map(split.flatMap((uses, part) => uses.map((use) => [use, part] as const)))
  const uses = [...partOf.keys()]
  const classes = Map.groupBy(
    uses.flatMap((use) => use.classes.filter(({ namesClient }) => namesClient).map(({ name }) => ({ name, use }))),
    ({ name, use }) => JSON.stringify([use.cluster.name, use.namespace, name]),
  )
  const changes: ManifestChange[] = []
  const released = new Set<PlacedUse>()
  for (const [key, users] of classes) {
    const [cluster, namespace, name] = JSON.parse(key) as [string, string, string]
    const parts = new Set(users.map(({ use }) => partOf.get(use) ?? 0))
    const [part = 0] = parts
    if (parts.size > 1) {
      changes.push({ kind: 'class-without-client', cluster, namespace, name })
      for (const { use } of users) released.add(use)
    } else if (part > 0) changes.push({ kind: 'class-client', cluster, namespace, name, part })
  }
  const warnings = [
    'a split changes three places, in this order: identities in Azure, service accounts, classes; pods that start between need all three',
  ]
  for (const use of uses) {
    const part = partOf.get(use) ?? 0
    const { annotatedClient, cluster, namespace, account } = use
    const isOwn = annotatedClient === clientId
    const moves = isOwn && part > 0
    if (released.has(use) && annotatedClient !== '' && !isOwn)
      warnings.push(
        `account ${namespace}/${account} is annotated with client ${annotatedClient} and cannot take the client of its part: use a class of its own for it`,
      )
    else if (moves || (released.has(use) && !isOwn))
      changes.push({ kind: 'account-client', cluster: cluster.name, namespace, name: account, part })
  }
  return { changes: changes.toSorted(byKind), warnings: [...new Set(warnings)] }
}

const order: Readonly<Record<ManifestChange['kind'], number>> = {
  'account-client': 0,
  'class-client': 1,
  'class-without-client': 1,
  'class-through-proxy': 1,
  'workload-through-proxy': 2,
}

function byKind(a: ManifestChange, b: ManifestChange): number {
  return order[a.kind] - order[b.kind]
}
