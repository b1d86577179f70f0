import type { ObjectType } from '#azure/class'
import type { AccountUse, SelfSignIn } from './account-uses.ts'

/** A cluster of the fleet, with what its manifests use. */
export interface FleetCluster {
  name: string
  /** Of its service account tokens. */
  issuer: string
  /** Resource id, for a cluster of AKS. */
  aks: string | undefined
  /** Of kubectl; undefined for the current one. */
  context: string | undefined
  uses: readonly AccountUse[]
  /** Names of the ClusterRoles and ClusterRoleBindings in its manifests. */
  clusterRoles: ReadonlySet<string>
}

export interface PlanOptions {
  maxFics: number
  bindings: 'auto' | 'never' | 'always'
  split: 'round-robin' | 'by-namespace'
  scope: 'vault' | 'object'
  /** What is in Azure; undefined when Azure was not asked. */
  there?: AzureThere | undefined
}

/** What a plan asks about Azure. */
export interface AzureThere {
  /** How many federated credentials the identity has besides those of these subjects. */
  otherCredentials(clientId: string, subjects: readonly Subject[]): number
  hasCredential(clientId: string, credential: Credential): boolean
  hasGrant(clientId: string, grant: Grant): boolean
  hasBinding(clientId: string, binding: Binding): boolean
  /** Whether any of the clusters has a binding of the identity. */
  isBound(clientId: string): boolean
  /** Why the identity cannot be bound in this cluster; undefined when it can, or when nothing is known. */
  bindingObstacle(clientId: string, cluster: Pick<FleetCluster, 'aks'>): string | undefined
}

/** A service account of one cluster, as Entra sees it. */
export interface Subject {
  cluster: string
  issuer: string
  namespace: string
  account: string
  subject: string
}

export interface Credential extends Subject {
  /** Stable: the same issuer and subject have the same name at each run. */
  name: string
}

/** Something that the plan needs. */
export type Needed<T> = T & {
  /** Whether Azure has it already; undefined when Azure was not asked. */
  there: boolean | undefined
}

/** A role on a vault, or on one object of it. */
export interface Grant {
  vault: string
  type: ObjectType
  /** Empty for the whole vault. */
  object: string
  /** Whether a class selects objects, so that it lists them. */
  lists: boolean
}

/** An identity with its own credentials: the one that the manifests name, or a new one that takes over a part of its subjects. */
export interface Part {
  /** Undefined for the one that the manifests name. */
  newName: string | undefined
  credentials: readonly Needed<Credential>[]
  grants: readonly Needed<Grant>[]
}

export interface Binding {
  cluster: string
  aks: string
  name: string
}

/** A change of an object in a cluster. `part` is the index of the identity whose client id it takes. */
export type ManifestChange = { cluster: string; namespace: string; name: string } & (
  | { kind: 'class-through-proxy' | 'class-without-client' }
  | { kind: 'class-client' | 'account-client'; part: number }
  | { kind: 'workload-through-proxy'; workload: SelfSignIn }
)

/** Allows a service account to use a bound identity, in its cluster. */
export interface Permission {
  cluster: string
  namespace: string
  account: string
  /** Of the ClusterRoleBinding. */
  name: string
}

export interface IdentityPlan {
  clientId: string
  way: 'credentials' | 'bindings' | 'split'
  /** Why this way. */
  why: string
  subjects: readonly Subject[]
  /** The first one is the identity that the manifests name. */
  parts: readonly Part[]
  bindings: readonly Needed<Binding>[]
  /** Name of the ClusterRole, when there are bindings. */
  clusterRole: string
  /** Clusters that need the ClusterRole. */
  roleClusters: readonly string[]
  permissions: readonly Permission[]
  changes: readonly ManifestChange[]
  warnings: readonly string[]
}

/** A use of the identity in one cluster. */
export interface PlacedUse extends AccountUse {
  cluster: FleetCluster
}
