import { X509Certificate } from 'node:crypto'
import { type KubeClient, resources, type Secret } from '#kubernetes/client'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { certificateOf, secretWith } from './certificate-secret.ts'
import { reasonToRenew } from './check-certificate.ts'
import { followOne } from './follow-one.ts'
import { issuedAt, issueServingCertificate } from './issue-serving-certificate.ts'
import type { ServingCertificate } from './serving-certificate.ts'
import { createStepLoop, type StepLoop } from './step-loop.ts'
import {
  type ConfigurationRef,
  registerPatch,
  type ServiceRef,
  trustPatch,
  trusts,
  trustsOthers,
  type WebhookConfiguration,
} from './webhook-configuration.ts'

export interface MaintainCertificatesOptions {
  kube: KubeClient
  log: Log
  clock?: Clock | undefined
  /** The Service in front of the webhook. The Secret is in its namespace. */
  service: ServiceRef
  secretName: string
  configurations: readonly ConfigurationRef[]
  /** A certificate is replaced when it has less than this left. Default 90 days, in milliseconds. */
  lookaheadMs?: number | undefined
  /**
   * From the moment that a new authority is trusted until its certificate is presented: in this time the change reaches the
   * API servers. Default 30,000 ms.
   */
  propagationMs?: number | undefined
  /** A certificate is to be served from now on. */
  onCertificate(certificate: ServingCertificate): void
  /** Resolves when everything but the registration is done that a request needs. */
  canServe: Promise<void>
  /** The API server calls the webhook: every required configuration has rules. */
  onRegistered(): void
  /** Called when the difference to the API server's clock becomes too large to decide about certificates, and at its end. */
  onClock(problem: string | undefined): void
}

/** A configuration, with what the API server has. */
interface FollowedConfiguration extends ConfigurationRef {
  found: WebhookConfiguration | undefined
}

interface Maintenance {
  kube: KubeClient
  log: Log
  clock: Clock
  service: ServiceRef
  host: string
  secretName: string
  lookaheadMs: number
  propagationMs: number
  onCertificate(certificate: ServingCertificate): void
  onRegistered(): void
  onClock(problem: string | undefined): void
  /** Whether `canServe` is resolved. */
  canServe: boolean
  secret: Secret | undefined
  configurations: FollowedConfiguration[]
  served: ServingCertificate | undefined
  /** The authority that is to be served next, and since when it is trusted, by the monotonic clock. */
  trusted: { ca: string; since: number } | undefined
  /** Of our clock; undefined while it can be relied on. */
  clockProblem: string | undefined
}

const dayMs = 24 * 3600 * 1000

/**
 * Maintains the webhook's certificate, one for all replicas, and registers the webhook, both without a leader. The Secret holds it; a replica that finds it
 * missing, broken or near its end writes a new one, and of two that do, the API server accepts the first and the other
 * replica adopts it.
 *
 * No request fails on the way, because each replica presents a new certificate only after the configurations have trusted its
 * authority for a while, and the old authority stays trusted until it expires: API servers may see either certificate.
 *
 * The chart installs configurations without rules, so that no pod depends on a webhook that cannot start. A replica that can
 * serve adds them, and becomes ready then: pods that are created after that are mutated.
 */
export function maintainCertificates(options: MaintainCertificatesOptions): Running {
  const { log, clock = systemClock, service } = options
  const maintenance: Maintenance = {
    ...options,
    clock,
    host: `${service.name}.${service.namespace}.svc`,
    lookaheadMs: options.lookaheadMs ?? 90 * dayMs,
    propagationMs: options.propagationMs ?? 30_000,
    canServe: false,
    secret: undefined,
    configurations: options.configurations.map((ref) => ({ ...ref, found: undefined })),
    served: undefined,
    trusted: undefined,
    clockProblem: undefined,
  }
  const loop: StepLoop = createStepLoop(() => takeStep(maintenance, loop), { clock, log })
  options.canServe.then(
    () => {
      maintenance.canServe = true
      loop.wake(0)
    },
    () => undefined,
  )
  const follows = [followSecret(maintenance, loop), ...followConfigurations(maintenance, loop)]
  return {
    async stop() {
      await Promise.all([...follows.map((following) => following.stop()), loop.stop()])
    },
  }
}

/** One step towards the goal. Each change that it makes comes back as an event, which calls it again. */
async function takeStep(maintenance: Maintenance, loop: StepLoop): Promise<void> {
  const { secret, configurations, clock } = maintenance
  if (secret === undefined || configurations.some(({ required, found }) => required && found === undefined)) return
  checkClock(maintenance, loop)
  const certificate = certificateOf(secret)
  const reason = reasonToRenew(certificate, { ...maintenance, now: clock.now() })
  if (reason !== undefined && maintenance.clockProblem === undefined) return issue(maintenance, secret, reason)
  if (certificate === undefined) return
  const untrusted = await forEachConfiguration(maintenance, (one) => trust(maintenance, one, certificate))
  serveWhenTrusted(maintenance, certificate, loop)
  const unregistered = await register(maintenance)
  const failure = untrusted ?? unregistered
  // A configuration that is not required is retried like everything that fails.
  if (failure !== undefined) throw failure
}

/** Larger differences are a broken clock, not a slow network. */
const maxClockDifferenceMs = 10 * 60_000

/**
 * Compares our clock with the API server's, as the last answer stated it. A replica with a wrong clock would replace a good
 * certificate by one that is not valid yet, or remove authorities that are still in use.
 */
function checkClock(maintenance: Maintenance, loop: StepLoop): void {
  const offsetMs = maintenance.kube.clockOffsetMs() ?? 0
  const seconds = Math.round(Math.abs(offsetMs) / 1000)
  const direction = offsetMs > 0 ? 'behind' : 'ahead of'
  const problem =
    Math.abs(offsetMs) > maxClockDifferenceMs
      ? `the clock of this machine is ${seconds} s ${direction} the API server's; certificates are neither issued nor removed`
      : undefined
  if ((problem === undefined) !== (maintenance.clockProblem === undefined)) {
    if (problem === undefined) maintenance.log.info("the clock agrees with the API server's again")
    else maintenance.log.error({ offsetSeconds: Math.round(offsetMs / 1000) }, problem)
  }
  maintenance.clockProblem = problem
  maintenance.onClock(problem)
  if (problem !== undefined) loop.wake(60_000)
}

/** What is written comes back as an event. */
async function issue({ kube, log, clock, host, secretName }: Maintenance, secret: Secret, reason: string) {
  log.info({ secret: secretName, reason }, 'issuing a new certificate')
  const certificate = await issueServingCertificate({ host, now: clock.now() })
  await kube.replace(resources.secrets, secretWith(secret, certificate))
}

/** Gives the failure of a configuration that is not required; throws that of one that is. */
async function forEachConfiguration(
  { configurations }: Maintenance,
  change: (configuration: FollowedConfiguration) => Promise<void>,
): Promise<unknown> {
  let failure: unknown
  for (const configuration of configurations) {
    try {
      await change(configuration)
    } catch (error) {
      if (configuration.required) throw error
      failure ??= error
    }
  }
  return failure
}

/** Makes a configuration trust the certificate of the Secret and the one that is served. */
async function trust(
  { kube, log, clock, service, clockProblem, served }: Maintenance,
  configuration: FollowedConfiguration,
  { ca }: ServingCertificate,
): Promise<void> {
  const { resource, name, found } = configuration
  const authorities = served === undefined ? [ca] : [ca, served.ca]
  const expiredAt = clockProblem === undefined ? clock.now() : undefined
  const patch = found && trustPatch(found, service, authorities, expiredAt)
  if (patch === undefined) return
  configuration.found = await kube.patch(resource, { name }, patch, { type: 'json' })
  log.info({ configuration: name }, 'the configuration trusts the certificates of this webhook')
}

/** Makes the API server call this webhook, if it can serve. The result is that of {@link forEachConfiguration}. */
async function register(maintenance: Maintenance): Promise<unknown> {
  const { kube, log, service, served, canServe } = maintenance
  if (served === undefined || !canServe) return undefined
  const failure = await forEachConfiguration(maintenance, async (configuration) => {
    const { resource, name, rule, found } = configuration
    const patch = found && registerPatch(found, service, rule)
    if (patch === undefined) return
    configuration.found = await kube.patch(resource, { name }, patch, { type: 'json' })
    log.info({ configuration: name }, 'registered: the API server calls this webhook from now on')
  })
  maintenance.onRegistered()
  return failure
}

function serveWhenTrusted(maintenance: Maintenance, certificate: ServingCertificate, loop: StepLoop): void {
  const { configurations, service, served, clock, propagationMs, log } = maintenance
  const untrusting = configurations.find(
    ({ required, found }) => required && (found === undefined || !trusts(found, service, certificate.ca)),
  )
  if (untrusting !== undefined) {
    log.error({ configuration: untrusting.name, service }, 'the configuration has no webhook of this service')
    return
  }
  if (served !== undefined && served.cert === certificate.cert) return
  if (maintenance.trusted?.ca !== certificate.ca) {
    maintenance.trusted = { ca: certificate.ca, since: clock.elapsed() }
  }
  const isWaitNeeded = served === undefined ? mayBeUnknown(maintenance, certificate) : true
  const waitMs = isWaitNeeded ? maintenance.trusted.since + propagationMs - clock.elapsed() : 0
  if (waitMs > 0) {
    loop.wake(waitMs)
    return
  }
  maintenance.served = certificate
  maintenance.onCertificate(certificate)
  const { serialNumber, validToDate } = new X509Certificate(certificate.cert)
  log.info(
    { host: maintenance.host, serialNumber, expires: validToDate.toISOString() },
    'serving the certificate of the Secret',
  )
}

/** How long ago the certificate that a starting replica finds may have been issued without being trusted everywhere. */
const freshMs = 15 * 60_000

/**
 * Whether API servers may not trust the certificate that a starting replica finds yet: they do not at first, when it has just
 * replaced another one. At the first installation there is no other, and nothing to wait for.
 */
function mayBeUnknown(
  { kube, clock, clockProblem, configurations, service }: Maintenance,
  { ca }: ServingCertificate,
): boolean {
  if (!configurations.some(({ found }) => found !== undefined && trustsOthers(found, service, ca))) return false
  // By the API server's clock, as far as it is known.
  const ageMs = clock.now() + (kube.clockOffsetMs() ?? 0) - issuedAt(ca)
  return clockProblem !== undefined || ageMs < freshMs
}

function followSecret(maintenance: Maintenance, loop: StepLoop): Running {
  const { kube, log, clock, service, secretName } = maintenance
  return followOne(
    { kube, log, clock },
    resources.secrets,
    { name: secretName, namespace: service.namespace },
    (found) => {
      maintenance.secret = found
      if (found === undefined)
        log.error({ secret: secretName }, 'the Secret of the certificate is missing; install the chart again')
      loop.wake(0)
    },
  )
}

function followConfigurations(maintenance: Maintenance, loop: StepLoop): Running[] {
  const { kube, log, clock, configurations } = maintenance
  return configurations.map((configuration) =>
    followOne({ kube, log, clock }, configuration.resource, { name: configuration.name }, (found) => {
      configuration.found = found
      if (found === undefined)
        log.error(
          { configuration: configuration.name },
          'the webhook configuration is missing; install the chart again',
        )
      loop.wake(0)
    }),
  )
}
