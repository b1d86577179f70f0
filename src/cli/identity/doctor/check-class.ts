import { type ClassSpec, checkClass, formatFinding, parseParameters } from '#azure/class'
import { tokenExchangeAudience } from '#azure/identity'
import type { CsiDriver, SecretProviderClass, Volume } from '#kubernetes/client'
import { Problems } from '#lib'
import { identityAnnotations } from '../identity-keys.ts'
import type { Known } from '../known.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'

export const driverName = 'secrets-store.csi.k8s.io'

/** A class that the pod has in a volume. */
export interface MountedClass {
  name: string
  volume: Volume
  class: Known<SecretProviderClass | undefined>
}

export interface ClassIdentityWish {
  /** Undefined when the class signs in otherwise than by workload identity. */
  clientId: string | undefined
  tenantId: string
  spec: ClassSpec
}

type Annotations = Readonly<Record<string, string>>

/** Who a class signs in as, with the service account's annotations where it names nobody; as the provider decides it. */
export function identityWish(
  { class: found, volume }: MountedClass,
  annotations: Annotations,
): ClassIdentityWish | undefined {
  if ('why' in found || found.value?.spec?.provider !== 'azure') return undefined
  const spec = parseParameters(new Map(Object.entries(found.value.spec.parameters ?? {})), new Problems())
  const { usePodIdentity, useVMManagedIdentity, useAzureTokenProxy, clientId, tenantId } = spec.identity
  const byAccount =
    volume.csi?.nodePublishSecretRef === undefined ? annotations[identityAnnotations.clientId] : undefined
  const wished = clientId === '' ? byAccount : clientId
  const isOther = usePodIdentity || useVMManagedIdentity || useAzureTokenProxy
  return {
    clientId: isOther || wished === '' ? undefined : wished,
    tenantId: tenantId || (annotations[identityAnnotations.tenantId] ?? ''),
    spec,
  }
}

/** What is wrong with a class, and how it signs in. */
export function checkMountedClass(
  mounted: MountedClass,
  { annotations, driver }: { annotations: Annotations; driver: Known<CsiDriver | undefined> },
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
  const wish = identityWish(mounted, annotations)
  return [...wrong, ...(wish === undefined ? [] : checkMode(wish, mounted, { annotations, driver }))]
}

function checkMode(
  { clientId, spec }: ClassIdentityWish,
  { volume }: MountedClass,
  { annotations, driver }: { annotations: Annotations; driver: Known<CsiDriver | undefined> },
): Finding[] {
  const { usePodIdentity, useVMManagedIdentity, useAzureTokenProxy } = spec.identity
  if (usePodIdentity) {
    const text = 'signs in by pod identity (usePodIdentity), which upstream has retired'
    return [note('mode', text, ['keymount podidentity detect --output-dir migration'])]
  }
  if (useVMManagedIdentity)
    return [note('mode', 'signs in as the node (useVMManagedIdentity): nothing of the pod matters')]
  if (useAzureTokenProxy) return [note('mode', 'signs in through the cluster’s token proxy (identity binding)')]
  if (clientId === undefined) {
    if (volume.csi?.nodePublishSecretRef !== undefined) {
      return [note('mode', `signs in with the secret "${volume.csi.nodePublishSecretRef.name}" (nodePublishSecretRef)`)]
    }
    const text = 'names no identity, and neither does the service account'
    return [problem('mode', text, ['set clientID in the parameters of the class, or annotate the service account'])]
  }
  return [
    ok('mode', `workload identity, client ${clientId}`),
    ...checkAgreement(clientId, annotations),
    ...checkDriver(driver),
  ]
}

function checkAgreement(clientId: string, annotations: Annotations): Finding[] {
  const other = annotations[identityAnnotations.clientId]
  if (other === undefined || other.toLowerCase() === clientId.toLowerCase()) return []
  return [note('client', `the class signs in as ${clientId}, SDKs in the pod as ${other} (service account)`)]
}

function checkDriver(driver: Known<CsiDriver | undefined>): Finding[] {
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
