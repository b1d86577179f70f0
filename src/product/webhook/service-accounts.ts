import { followInto, isNotFound, type KubeClient, resources, type ServiceAccount } from '#kubernetes/client'
import { errorMessage, type Log, type Running } from '#lib'
import { createSingleFlight, retry } from '#lib/async'
import { AdmissionDenied, AdmissionFailed } from './admission-denied.ts'
import { type Annotations, annotationKeys } from './identity-request.ts'

export interface ServiceAccountsOptions {
  kube: KubeClient
  log: Log
  /** Only these are watched, the others are read when a pod uses them. Empty: all. */
  labelSelector: string
}

/** The workload identity annotations of service accounts. */
export interface ServiceAccounts extends Running {
  /** Rejects with {@link AdmissionDenied} when there is no such account, or the API server does not answer. */
  annotationsOf(namespace: string, name: string): Promise<Annotations>
  /** Whether a service account of the namespace has been seen: then the namespace exists, or did. */
  isNamespace(namespace: string): boolean
  /** Resolves after the first list. */
  synced: Promise<void>
  /** Number of accounts in memory. */
  size(): number
}

/**
 * Six to seven seconds in all: the API server waits ten for the webhook. An API server that shuts down takes no new
 * connections but still passes our answers on, so a refusal in this time would reach users.
 */
const patience = { attempts: 11, initialMs: 100, maxMs: 1000 }

/** Namespaces in memory. Clusters that create and delete them all the time would collect any number. */
const maxNamespaces = 10_000

/**
 * Watches service accounts and stores the annotations of those that have any of workload identity: a few dozen, however many
 * accounts the cluster has. Any other account is read when a pod uses it, so a pod created right after its account finds it.
 */
export function followServiceAccounts({ kube, log, labelSelector }: ServiceAccountsOptions): ServiceAccounts {
  const annotated = new Map<string, Annotations>()
  const namespaces = new Set<string>()
  const singleFlight = createSingleFlight<Annotations>()

  const addNamespace = (namespace: string) => {
    const [oldest] = namespaces
    if (namespaces.size >= maxNamespaces && oldest !== undefined) namespaces.delete(oldest)
    namespaces.add(namespace)
  }
  const keep = (account: ServiceAccount) => {
    addNamespace(account.metadata.namespace ?? '')
    const annotations = identityAnnotations(account)
    return Object.keys(annotations).length === 0 ? undefined : annotations
  }
  const selectors = labelSelector === '' ? {} : { labelSelector }
  const following = followInto(annotated, kube, resources.serviceAccounts, { log, keep, ...selectors })

  async function read(namespace: string, name: string): Promise<Annotations> {
    try {
      // An API server that has just started has no RBAC rules for a moment, and its predecessor's connections are dead.
      const account = await retry(() => kube.get(resources.serviceAccounts, { namespace, name }), {
        ...patience,
        shouldRetry: (error) => !isNotFound(error),
      })
      addNamespace(namespace)
      return identityAnnotations(account)
    } catch (error) {
      if (isNotFound(error)) throw new AdmissionDenied(`serviceaccounts "${name}" not found`, 400, { cause: error })
      throw new AdmissionFailed(`cannot read service account ${namespace}/${name}: ${errorMessage(error)}`, 400, {
        cause: error,
      })
    }
  }

  return {
    async annotationsOf(namespace, name) {
      const key = `${namespace}/${name}`
      return annotated.get(key) ?? singleFlight(key, () => read(namespace, name))
    },
    isNamespace: (namespace) => namespaces.has(namespace),
    synced: following.synced,
    size: () => annotated.size,
    stop: following.stop,
  }
}

/** Those that are read, and no more of each than a valid one has: anyone may annotate the accounts of a namespace. */
function identityAnnotations({ metadata: { annotations = {} } }: ServiceAccount): Annotations {
  const found = accountKeys.filter((key) => Object.hasOwn(annotations, key))
  return Object.fromEntries(found.map((key) => [key, shortened(annotations[key] ?? '')]))
}

/** A copy: the engine keeps the whole of a text as long as a part of it is used. */
function shortened(text: string): string {
  return text.length <= longestAnnotation ? text : Buffer.from(text.slice(0, longestAnnotation)).toString()
}

const { clientId, tenantId, tokenExpiration } = annotationKeys
const accountKeys = [clientId, tenantId, tokenExpiration]
const longestAnnotation = 1024
