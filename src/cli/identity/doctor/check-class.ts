import { type Finding as ClassFinding, type ClassSpec, checkClass, formatFinding, parseParameters } from '#azure/class'
import { completeIdentity, rulesOf, tokenExchangeAudience, type WayName, wayToSignIn } from '#azure/identity'
import type { CsiDriver, SecretProviderClass } from '#kubernetes/client'
import { driverName } from '#lab/home'
import { nearestName, Problems } from '#lib'
import type { Answer } from '../../answer.ts'
import { fixOfClass } from '../../cluster/class-commands.ts'
import type { ClassVolume } from '../../cluster/class-volumes.ts'
import { identityAnnotations } from '../identity-keys.ts'
import type { ServiceAccountRef } from '../names.ts'
import { annotateCommand } from './check-service-account.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'

/** A class that the pod has in a volume. */
export interface MountedClass extends ClassVolume {
  class: Answer<SecretProviderClass | undefined>
}

/** How a class signs in for a pod. */
export interface ClassSignIn {
  way: WayName
  /** The application or managed identity of a workload identity; undefined for every other way. */
  clientId: string | undefined
  tenantId: string
  spec: ClassSpec
}

type Annotations = Readonly<Record<string, string>>

/** As the provider decides it, except for the default tenant, which only the provider has. Undefined for a class of another provider. */
export function signInOf({ class: found, volume }: MountedClass, annotations: Annotations): ClassSignIn | undefined {
  if ('why' in found || found.value?.spec?.provider !== 'azure') return undefined
  const spec = parseParameters(new Map(Object.entries(found.value.spec.parameters ?? {})), new Problems())
  const sources = { hasSecret: volume.csi?.nodePublishSecretRef !== undefined, defaultTenantId: '' }
  const identity = completeIdentity(spec.identity, annotations, sources)
  const way = wayToSignIn(identity)
  return { way, clientId: way === 'workload' ? identity.clientId : undefined, tenantId: identity.tenantId, spec }
}

/** Whether there can be a vault of this name; others are findings about the class. */
export function isVaultName(name: string): boolean {
  return /^[-A-Za-z0-9]{3,24}$/.test(name)
}

/** Whether a class gets its client id from the service account, or would if that had one. */
export function needsAccountClientId({ way, spec }: ClassSignIn, { volume }: MountedClass): boolean {
  const hasSecret = volume.csi?.nodePublishSecretRef !== undefined
  return spec.identity.clientId === '' && (way === 'workload' || (way === 'service-principal' && !hasSecret))
}

export interface ClassContext {
  annotations: Annotations
  account: ServiceAccountRef
  driver: Answer<CsiDriver | undefined>
  /** The command that installs Keymount. */
  installCommand: string
  /** Names of the classes of the namespace. */
  classNames: readonly string[]
}

/** What is wrong with a class, and how it signs in. */
export function checkMountedClass(mounted: MountedClass, context: ClassContext): Finding[] {
  const { class: found, className } = mounted
  if ('why' in found) return [unknown('class', found.why)]
  const object = found.value
  if (object === undefined) return [missingClass(className, context)]
  const provider = object.spec?.provider ?? ''
  const near = provider === 'azure' ? undefined : nearestName(provider, ['azure'])
  if (provider !== 'azure') {
    const text = `is of provider "${provider}"`
    if (near === undefined && provider !== '') return [note('class', `${text}, which is not checked`)]
    const finding = { path: 'spec.provider', message: 'did you mean azure?', fails: 'mount' } as const
    return [problem('class', 'provider-not-found', `${text} (did you mean azure?)`, [fixOfClass(finding, object)])]
  }
  const signIn = signInOf(mounted, context.annotations)
  return [
    ...checkClass(object).map((finding) => classFinding(finding, object)),
    ...(signIn === undefined ? [] : checkMode(signIn, mounted, context)),
  ]
}

/** What the class alone shows. */
export function classFinding(finding: ClassFinding, object: SecretProviderClass): Finding {
  if (finding.fails === undefined) return note('class', formatFinding(finding))
  const code = finding.fails === 'mount' ? 'parameters-invalid' : 'secret-objects-invalid'
  return problem('class', code, formatFinding(finding), [fixOfClass(finding, object)])
}

function missingClass(name: string, { account: { namespace }, classNames }: ClassContext): Finding {
  if (name === '')
    return problem(
      'class',
      'class-not-found',
      'the volume names no class: volumeAttributes.secretProviderClass is missing',
    )
  const near = nearestName(name, classNames)
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`
  return problem(
    'class',
    'class-not-found',
    `there is no SecretProviderClass "${name}" in namespace ${namespace}${hint}`,
  )
}

function checkMode(signIn: ClassSignIn, mounted: MountedClass, context: ClassContext): Finding[] {
  const { way, clientId = '' } = signIn
  if (way !== 'workload') return [otherMode(way, mounted, context)]
  return [
    ok('mode', `workload identity, client ${clientId}`),
    ...checkAgreement(clientId, context.annotations),
    ...checkDriver(context),
  ]
}

function otherMode(
  way: Exclude<WayName, 'workload'>,
  { volume: { csi } }: MountedClass,
  { account }: ClassContext,
): Finding {
  if (way === 'service-principal') return secretMode(csi?.nodePublishSecretRef?.name, account)
  const detect = `keymount podidentity detect --namespace ${account.namespace} --output-dir migration`
  return note('mode', `signs in ${rulesOf(way).manner}`, way === 'pod-identity' ? [detect] : [])
}

function secretMode(secret: string | undefined, account: ServiceAccountRef): Finding {
  if (secret !== undefined) return note('mode', `signs in with the secret "${secret}" (nodePublishSecretRef)`)
  const text = 'names no identity, and neither does the service account: set clientID in its parameters, or annotate'
  return problem('mode', 'client-id-missing', `${text} the service account`, [annotateCommand(account)])
}

function checkAgreement(clientId: string, annotations: Annotations): Finding[] {
  const other = annotations[identityAnnotations.clientId]
  if (other === undefined || other.toLowerCase() === clientId.toLowerCase()) return []
  return [note('client', `the class signs in as ${clientId}, SDKs in the pod as ${other} (service account)`)]
}

/** Whether kubelet gives the driver tokens that Entra accepts. */
export function checkDriver({ driver, installCommand }: Pick<ClassContext, 'driver' | 'installCommand'>): Finding[] {
  if ('why' in driver) return [unknown('driver', driver.why)]
  if (driver.value === undefined) {
    return [problem('driver', 'csidriver-missing', `the CSI driver ${driverName} is not installed`, [installCommand])]
  }
  const audiences = driver.value.spec.tokenRequests?.map(({ audience }) => audience) ?? []
  if (audiences.includes(tokenExchangeAudience)) {
    return [ok('driver', `asks kubelet for tokens of ${tokenExchangeAudience}`)]
  }
  // Others stay, because providers of other clouds may need them.
  const tokenRequests = [...(driver.value.spec.tokenRequests ?? []), { audience: tokenExchangeAudience }]
  return [
    problem('driver', 'csidriver-audience-missing', `does not ask kubelet for tokens of ${tokenExchangeAudience}`, [
      `kubectl patch csidriver ${driverName} --type merge --patch '${JSON.stringify({ spec: { tokenRequests } })}'`,
    ]),
  ]
}
