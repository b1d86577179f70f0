import { X509Certificate } from 'node:crypto'
import { follow, isConflict, type KubeClient, resources, type Secret } from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, systemClock } from '#lib'
import { createBackoff } from '#lib/async'
import { certificateOf, secretWith } from './certificate-secret.ts'
import { whyRenew } from './check-certificate.ts'
import { issueCertificate } from './issue-certificate.ts'
import type { ServingCertificate } from './serving-certificate.ts'
import {
  type ConfigurationRef,
  type ServiceRef,
  trustPatch,
  trusts,
  type WebhookConfiguration,
} from './webhook-configuration.ts'

export interface KeepCertificatesOptions {
  kube: KubeClient
  log: Log
  clock?: Clock
  /** The Service in front of the webhook. The Secret is in its namespace. */
  service: ServiceRef
  secretName: string
  configurations: readonly ConfigurationRef[]
  /** A certificate is renewed when it has less than this left. Default 90 days, in milliseconds. */
  lookaheadMs?: number
  /**
   * From the moment that a new authority is trusted until its certificate is shown: in this time the API servers learn of
   * it. Default 30,000 ms.
   */
  settleMs?: number
  /** A certificate is to be served from now on. */
  onCertificate(certificate: ServingCertificate): void
}

/** A configuration, and what the API server has of it. */
interface Followed extends ConfigurationRef {
  found: WebhookConfiguration | undefined
}

const day = 24 * 3600 * 1000
const checkMs = 3600 * 1000

/**
 * Keeps the webhook's certificate, one for all replicas, without a leader. The Secret holds it; whoever finds it missing,
 * broken or near its end writes a new one, and of two who do, the API server takes the first and the other adopts it.
 *
 * No request fails on the way, because each replica shows a new certificate only after the configurations have trusted its
 * authority for a while, and the old authority stays trusted until it ends: API servers may meet either certificate.
 */
export function keepCertificates(options: KeepCertificatesOptions): Running {
  const { kube, log, clock = systemClock, service, secretName, onCertificate } = options
  const { lookaheadMs = 90 * day, settleMs = 30_000 } = options
  const host = `${service.name}.${service.namespace}.svc`
  let secret: Secret | undefined
  const configurations: Followed[] = options.configurations.map((ref) => ({ ...ref, found: undefined }))
  let served: ServingCertificate | undefined
  /** The authority that is to be served next, and since when it is trusted. */
  let trusted: { ca: string; since: number } | undefined

  /** One step towards the wanted state; each change that it makes comes back as an event, which calls it again. */
  async function step(): Promise<void> {
    if (secret === undefined || configurations.some(({ required, found }) => required && found === undefined)) return
    const wanted = certificateOf(secret)
    const reason = whyRenew(wanted, { host, now: clock.now(), lookaheadMs })
    if (wanted === undefined || reason !== undefined) {
      log.info({ secret: secretName, reason }, 'issuing a new certificate')
      // What was written comes back as an event.
      await kube.replace(resources.secrets, secretWith(secret, await issueCertificate({ host, now: clock.now() })))
      return
    }
    const authorities = [wanted.ca, ...(served === undefined ? [] : [served.ca])]
    const failures: unknown[] = []
    for (const configuration of configurations) {
      await trust(configuration, authorities).catch((error: unknown) => {
        if (configuration.required) throw error
        failures.push(error)
      })
    }
    serveWhenTrusted(wanted)
    // What was not required is tried again, as everything that fails.
    if (failures.length > 0) throw failures[0]
  }

  async function trust(configuration: Followed, authorities: string[]): Promise<void> {
    const { resource, name, found } = configuration
    const patch = found && trustPatch(found, service, authorities, clock.now())
    if (patch === undefined) return
    configuration.found = await kube.patch(resource, { name }, patch, { type: 'json' })
    log.info({ configuration: name }, 'the configuration trusts the certificates of this webhook')
  }

  function serveWhenTrusted(wanted: ServingCertificate): void {
    const silent = configurations.find(
      ({ required, found }) => required && (found === undefined || !trusts(found, service, wanted.ca)),
    )
    if (silent !== undefined) {
      log.error({ configuration: silent.name, service }, 'the configuration has no webhook of this service')
      return
    }
    if (served !== undefined && served.cert === wanted.cert) return
    if (trusted?.ca !== wanted.ca) trusted = { ca: wanted.ca, since: clock.now() }
    // A replica that serves nothing yet has nothing to lose.
    const waitMs = served === undefined ? 0 : trusted.since + settleMs - clock.now()
    if (waitMs > 0) {
      wake(waitMs)
      return
    }
    served = wanted
    onCertificate(wanted)
    const { serialNumber, validToDate } = new X509Certificate(wanted.cert)
    log.info({ host, serialNumber, ends: validToDate.toISOString() }, 'serving with the certificate of the Secret')
  }

  const loop = createLoop(step, { clock, log })
  const { wake } = loop
  const byName = (name: string) => ({ fieldSelector: `metadata.name=${name}`, clock, log })
  const follows = [
    follow(
      kube,
      resources.secrets,
      { ...byName(secretName), namespace: service.namespace },
      {
        onList([found]) {
          secret = found
          if (found === undefined)
            log.error({ secret: secretName }, 'the Secret of the certificate is missing; install the chart again')
          wake(0)
        },
        onChange(type, changed) {
          secret = type === 'DELETED' ? undefined : changed
          wake(0)
        },
      },
    ),
    ...configurations.map((configuration) =>
      follow(kube, configuration.resource, byName(configuration.name), {
        onList([found]) {
          configuration.found = found
          if (found === undefined)
            log.error(
              { configuration: configuration.name },
              'the webhook configuration is missing; install the chart again',
            )
          wake(0)
        },
        onChange(type, changed) {
          configuration.found = type === 'DELETED' ? undefined : changed
          wake(0)
        },
      }),
    ),
  ]
  return {
    async stop() {
      await Promise.all([...follows.map((following) => following.stop()), loop.stop()])
    },
  }
}

/** Runs `step` one at a time: when woken, hourly, and again with back-off after it failed. */
function createLoop(step: () => Promise<void>, { clock, log }: { clock: Clock; log: Log }) {
  const backoff = createBackoff({ initialMs: 100, maxMs: 30_000 })
  let running: Promise<void> | undefined
  let again = false
  let stopped = false
  let cancel = () => {}

  function wake(afterMs: number): void {
    if (stopped) return
    if (afterMs > 0) {
      cancel()
      cancel = clock.after(afterMs, () => wake(0))
      return
    }
    again = true
    running ??= run().finally(() => {
      running = undefined
    })
  }

  async function run(): Promise<void> {
    while (again && !stopped) {
      again = false
      cancel()
      cancel = clock.after(checkMs, () => wake(0))
      try {
        await step()
        backoff.reset()
      } catch (error) {
        // Somebody was faster: what they wrote comes as an event.
        if (isConflict(error)) log.debug('another replica was faster')
        else log.warn({ err: error }, `certificates: ${errorMessage(error)}`)
        wake(backoff.next())
      }
    }
  }

  return {
    wake,
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
