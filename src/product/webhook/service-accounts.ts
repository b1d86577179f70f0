import { followInto, isNotFound, type KubeClient, resources, type ServiceAccount } from '#kubernetes/client'
import { errorMessage, type Log, type Running } from '#lib'
import { createSingleFlight, retry } from '#lib/async'
import { AdmissionDenied } from './admission-denied.ts'
import { type Annotations, annotationPrefix } from './identity-request.ts'

export interface ServiceAccountsOptions {
  kube: KubeClient
  log: Log
  /** Only these are followed, the others are read when a pod names them. Empty: all. */
  labelSelector: string
}

/** The annotations of service accounts, by namespace and name. */
export interface ServiceAccounts extends Running {
  /** Those of workload identity. Rejects with {@link AdmissionDenied} when there is no such account, or no answer. */
  annotationsOf(namespace: string, name: string): Promise<Annotations>
  /** After the first list. */
  synced: Promise<void>
  /** How many are remembered. */
  size(): number
}

/**
 * Six to seven seconds in all: the API server waits ten for the webhook. One that is on its way out takes no more connections,
 * but passes on our answers to what it has asked before, so a refusal in this time would reach people.
 */
const patience = { attempts: 11, initialMs: 100, maxMs: 1000 }

/**
 * Follows service accounts and remembers the annotations of those that have any of workload identity: a few dozen, however
 * many accounts the cluster has. Any other is read when a pod names it, so a pod made right after its account finds it.
 */
export function followServiceAccounts({ kube, log, labelSelector }: ServiceAccountsOptions): ServiceAccounts {
  const known = new Map<string, Annotations>()
  const singleFlight = createSingleFlight<Annotations>()

  const keep = (account: ServiceAccount) => {
    const annotations = ownAnnotations(account)
    return Object.keys(annotations).length === 0 ? undefined : annotations
  }
  const selectors = labelSelector === '' ? {} : { labelSelector }
  const following = followInto(known, kube, resources.serviceAccounts, { log, keep, ...selectors })

  async function read(namespace: string, name: string): Promise<Annotations> {
    try {
      // An API server that has just started knows no rights for a moment, and its predecessor's connections are dead.
      const account = await retry(() => kube.get(resources.serviceAccounts, { namespace, name }), {
        ...patience,
        shouldRetry: (error) => !isNotFound(error),
      })
      return ownAnnotations(account)
    } catch (error) {
      if (isNotFound(error)) throw new AdmissionDenied(`serviceaccounts "${name}" not found`, 400, { cause: error })
      throw new AdmissionDenied(`cannot read service account ${namespace}/${name}: ${errorMessage(error)}`, 400, {
        cause: error,
      })
    }
  }

  return {
    async annotationsOf(namespace, name) {
      const key = `${namespace}/${name}`
      return known.get(key) ?? singleFlight(key, () => read(namespace, name))
    },
    synced: following.synced,
    size: () => known.size,
    stop: following.stop,
  }
}

function ownAnnotations({ metadata }: ServiceAccount): Annotations {
  return Object.fromEntries(
    Object.entries(metadata.annotations ?? {}).filter(([key]) => key.startsWith(annotationPrefix)),
  )
}
