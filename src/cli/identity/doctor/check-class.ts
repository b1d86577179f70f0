import { type ClassSpec, checkClass, formatFinding, parseParameters } from '#azure/class'
import { completeIdentity, tokenExchangeAudience, type WayName, wayToSignIn } from '#azure/identity'
import type { CsiDriver, SecretProviderClass, Volume } from '#kubernetes/client'
import { Problems } from '#lib'
import type { Answer } from '../../answer.ts'
import { identityAnnotations } from '../identity-keys.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'

export const driverName = 'secrets-store.csi.k8s.io'

/** A class that the pod has in a volume. */
export interface MountedClass {
  name: string
  volume: Volume
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

/** As the provider decides it, but for the default tenant, which only the provider has. Undefined for a class of another provider. */
export function signInOf({ class: found, volume }: MountedClass, annotations: Annotations): ClassSignIn | undefined {
  if ('why' in found || found.value?.spec?.provider !== 'azure') return undefined
  const spec = parseParameters(new Map(Object.entries(found.value.spec.parameters ?? {})), new Problems())
  const sources = { hasSecret: volume.csi?.nodePublishSecretRef !== undefined, defaultTenantId: '' }
  const identity = completeIdentity(spec.identity, annotations, sources)
  const way = wayToSignIn(identity)
  return { way, clientId: way === 'workload' ? identity.clientId : undefined, tenantId: identity.tenantId, spec }
}

/** What is wrong with a class, and how it signs in. */
export function checkMountedClass(
  mounted: MountedClass,
  { annotations, driver }: { annotations: Annotations; driver: Answer<CsiDriver | undefined> },
): Finding[] {
  const found = mounted.class
  if ('why' in found) return [unknown('class', found.why)]
  if (found.value === undefined) {
    return [problem('class', `there is no SecretProviderClass "${mounted.name}" in the namespace of the pod`)]
  }
  const provider = found.value.spec?.provider
  if (provider !== 'azure') return [note('class', `is of provider "${provider}", which is not ours to judge`)]
  const wrong = checkClass(found.value).map((finding) =>
    finding.fails === undefined ? note('class', formatFinding(finding)) : problem('class', formatFinding(finding)),
  )
  const signIn = signInOf(mounted, annotations)
  return [...wrong, ...(signIn === undefined ? [] : checkMode(signIn, mounted, { annotations, driver }))]
}

function checkMode(
  { way, clientId = '' }: ClassSignIn,
  { volume }: MountedClass,
  { annotations, driver }: { annotations: Annotations; driver: Answer<CsiDriver | undefined> },
): Finding[] {
  if (way !== 'workload') return [otherMode(way, volume)]
  return [
    ok('mode', `workload identity, client ${clientId}`),
    ...checkAgreement(clientId, annotations),
    ...checkDriver(driver),
  ]
}

function otherMode(way: Exclude<WayName, 'workload'>, { csi }: Volume): Finding {
  switch (way) {
    case 'pod-identity': {
      const text = 'signs in by pod identity (usePodIdentity), which upstream has retired'
      return note('mode', text, ['keymount podidentity detect --output-dir migration'])
    }
    case 'managed':
      return note('mode', 'signs in as the node (useVMManagedIdentity): nothing of the pod matters')
    case 'identity-binding':
      return note('mode', 'signs in through the cluster’s token proxy (identity binding)')
    case 'service-principal': {
      const secret = csi?.nodePublishSecretRef
      if (secret !== undefined) return note('mode', `signs in with the secret "${secret.name}" (nodePublishSecretRef)`)
      const text = 'names no identity, and neither does the service account'
      return problem('mode', text, ['set clientID in the parameters of the class, or annotate the service account'])
    }
    default:
      throw new Error(`unknown way to sign in ${JSON.stringify(way satisfies never)}`)
  }
}

function checkAgreement(clientId: string, annotations: Annotations): Finding[] {
  const other = annotations[identityAnnotations.clientId]
  if (other === undefined || other.toLowerCase() === clientId.toLowerCase()) return []
  return [note('client', `the class signs in as ${clientId}, SDKs in the pod as ${other} (service account)`)]
}

function checkDriver(driver: Answer<CsiDriver | undefined>): Finding[] {
  if ('why' in driver) return [unknown('driver', driver.why)]
  if (driver.value === undefined) {
    return [
      problem('driver', `the CSI driver ${driverName} is not installed`, [
        'helm install keymount charts/keymount --namespace kube-system',
      ]),
    ]
  }
  const audiences = driver.value.spec.tokenRequests?.map(({ audience }) => audience) ?? []
  if (audiences.includes(tokenExchangeAudience))
    return [ok('driver', `asks kubelet for tokens of ${tokenExchangeAudience}`)]
  const tokenRequests = [{ audience: tokenExchangeAudience }]
  return [
    problem('driver', `does not ask kubelet for tokens of ${tokenExchangeAudience}`, [
      `kubectl patch csidriver ${driverName} --type merge --patch '${JSON.stringify({ spec: { tokenRequests } })}'`,
    ]),
  ]
}
