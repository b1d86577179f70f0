import { createHash } from 'node:crypto'
import { CliError, countOf } from '#terminal'
import type {
  AzureThere,
  Binding,
  Credential,
  FleetCluster,
  Grant,
  IdentityPlan,
  Needed,
  Part,
  PlacedUse,
  PlanOptions,
  Subject,
} from './identity-plan.ts'
import { planChanges } from './plan-changes.ts'
import { splitSubjects } from './split-subjects.ts'

/** What each client id of the fleet needs. Throws {@link CliError} where bindings are demanded and not possible. */
export function makePlan(fleet: readonly FleetCluster[], options: PlanOptions): IdentityPlan[] {
  const placed = fleet.flatMap((cluster) => cluster.uses.map((use) => ({ ...use, cluster })))
  const byClient = Map.groupBy(placed, ({ clientId }) => clientId)
  return [...byClient]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([clientId, uses]) => planIdentity(clientId, uses, options))
}

function planIdentity(clientId: string, uses: readonly PlacedUse[], options: PlanOptions): IdentityPlan {
  const isBound = (use: PlacedUse) => signsInThroughProxy(use)
  const federated = uses.filter((use) => !isBound(use))
  const { way, why } = chooseWay(clientId, federated, uses, options)
  const bound = way === 'bindings' ? uses : uses.filter(isBound)
  const split = way === 'split' ? splitSubjects(federated, options) : [way === 'bindings' ? [] : federated]
  const parts = split.map((ofPart, index): Part => {
    const isOld = index === 0
    const needed = neededIn(isOld ? options.there : undefined)
    return {
      newName: isOld ? undefined : `keymount-${clientId.slice(0, 8)}-${index + 1}`,
      credentials: ofPart.map(credentialOf).map((one) => needed(one, (there) => there.hasCredential(clientId, one))),
      grants: grantsOf(isOld ? [...ofPart, ...bound] : ofPart, options.scope).map((one) =>
        needed(one, (there) => there.hasGrant(clientId, one)),
      ),
    }
  })
  const needed = neededIn(options.there)
  const clusterRole = `keymount-identity-${clientId}`
  return {
    clientId,
    way,
    why,
    subjects: uses.map(subjectIn),
    parts,
    bindings: bindingsOf(bound, clientId).map((one) => needed(one, (there) => there.hasBinding(clientId, one))),
    clusterRole,
    ...permissionsOf(bound, clusterRole),
    ...withRoomFor(options.there, clientId, way, planChanges({ clientId, way, split, bound })),
  }
}

/** The first binding of an identity adds the credential that all its bindings share. */
function withRoomFor(
  there: AzureThere | undefined,
  clientId: string,
  way: IdentityPlan['way'],
  planned: Pick<IdentityPlan, 'changes' | 'warnings'>,
): typeof planned {
  const isFull = (there?.otherCredentials(clientId, []) ?? 0) >= maxCredentials
  if (way !== 'bindings' || !isFull || there?.isBound(clientId) === true) return planned
  const warning = `${clientId} has ${maxCredentials} federated credentials: delete one that is no longer used before the first identity binding, which needs one`
  return { ...planned, warnings: [...planned.warnings, warning] }
}

/** https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations */
const maxCredentials = 20

function neededIn(there: AzureThere | undefined) {
  return <T>(one: T, ask: (there: AzureThere) => boolean): Needed<T> => ({
    ...one,
    there: there === undefined ? undefined : ask(there),
  })
}

function signsInThroughProxy({ classes, workloads }: PlacedUse): boolean {
  return [...classes, ...workloads].some(({ throughProxy }) => throughProxy)
}

interface Choice {
  way: IdentityPlan['way']
  why: string
}

function chooseWay(
  clientId: string,
  federated: readonly PlacedUse[],
  uses: readonly PlacedUse[],
  { bindings, maxFics, there }: PlanOptions,
): Choice {
  const others = there?.otherCredentials(clientId, federated.map(subjectIn)) ?? 0
  const fits = federated.length + others <= maxFics
  const besides = others === 0 ? '' : ` besides ${countOf(others, 'other credential')} that the identity has`
  const count = `${countOf(federated.length, 'credential')}${besides}`
  if (bindings !== 'always' && federated.length > 0 && fits)
    return { way: 'credentials', why: `${count}: an identity takes ${maxFics}` }
  if (federated.length === 0) return { way: 'bindings', why: 'every class signs in through the token proxy already' }
  const obstacle = obstacleOf(clientId, uses, there)
  if (bindings === 'always' && obstacle !== undefined)
    throw new CliError({
      what: `identity bindings are not possible for ${clientId}`,
      why: obstacle,
      fix: ['leave out --bindings always: the plan then splits the identity'],
      code: 'usage',
    })
  if (bindings !== 'never' && obstacle === undefined) return { way: 'bindings', why: `${count}, more than ${maxFics}` }
  const reason = bindings === 'never' ? '--bindings never' : obstacle
  return { way: 'split', why: `${count}, more than ${maxFics}; no identity bindings: ${reason}` }
}

function obstacleOf(clientId: string, uses: readonly PlacedUse[], there: AzureThere | undefined): string | undefined {
  const clusters = new Set(uses.map(({ cluster }) => cluster))
  for (const cluster of clusters) {
    if (cluster.aks === undefined)
      return `the AKS resource id of cluster "${cluster.name}" is missing (--aks, or aks in the file of the fleet)`
    const obstacle = there?.bindingObstacle(clientId, cluster)
    if (obstacle !== undefined) return obstacle
  }
  return undefined
}

/** Which subject an account of a cluster is. */
function subjectIn({ cluster: { name, issuer }, namespace, account, subject }: PlacedUse): Subject {
  return { cluster: name, issuer, namespace, account, subject }
}

function credentialOf(use: PlacedUse): Credential {
  const subject = subjectIn(use)
  return { ...subject, name: `km-${shortHash(subject.issuer, subject.subject)}` }
}

function shortHash(...words: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, 10)
}

/** A selection lists the vault, so it needs the role on all of it. */
function grantsOf(uses: readonly PlacedUse[], scope: PlanOptions['scope']): Grant[] {
  const grants = new Map<string, Grant>()
  for (const { vault, type, name } of uses.flatMap(({ reads }) => reads)) {
    const object = scope === 'vault' || name === '*' ? '' : name
    const key = `${vault} ${type} ${object}`
    const lists = name === '*' || grants.get(key)?.lists === true
    grants.set(key, { vault, type, object, lists })
  }
  const wide = (grant: Grant) => grants.has(`${grant.vault} ${grant.type} `)
  const kept = [...grants].filter(([, grant]) => grant.object === '' || !wide(grant))
  return kept.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, grant]) => grant)
}

function bindingsOf(bound: readonly PlacedUse[], clientId: string): Binding[] {
  const clusters = [...new Set(bound.map(({ cluster }) => cluster))]
  const name = `km-${clientId.slice(0, 8)}`
  return clusters.flatMap(({ name: cluster, aks }) => (aks === undefined ? [] : [{ cluster, aks, name }]))
}

function permissionsOf(
  bound: readonly PlacedUse[],
  clusterRole: string,
): Pick<IdentityPlan, 'permissions' | 'roleClusters'> {
  const named = bound.map(({ cluster, namespace, account }) => ({
    cluster,
    namespace,
    account,
    name: `${clusterRole}-${shortHash(namespace, account)}`,
  }))
  const missing = named.filter(({ cluster, name }) => !cluster.clusterRoles.has(name))
  const roleless = bound.filter(({ cluster }) => !cluster.clusterRoles.has(clusterRole))
  return {
    permissions: missing.map((one) => ({ ...one, cluster: one.cluster.name })),
    roleClusters: [...new Set(roleless.map(({ cluster }) => cluster.name))],
  }
}
