import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type KubeClient, resourceOf, type UntypedObject } from '#kubernetes/client'
import type { Identity, LabAzure } from '#lab/home'

/** Names in the manifests of examples/workload-identity, and of what they need in Azure. */
export const exampleNames = {
  secret: 'ExampleSecret',
  identity: 'workload-identity',
  federatedCredential: 'workload-identity-sa',
  namespace: 'default',
  serviceAccount: 'workload-identity-sa',
  class: 'azure-kvname-wi',
  pod: 'busybox-secrets-store-inline-wi',
  file: '/mnt/secrets-store/ExampleSecret',
} as const

export const examplePod = { namespace: exampleNames.namespace, name: exampleNames.pod }

/** The subject of the tokens of the example's pod. */
export const exampleSubject = `system:serviceaccount:${exampleNames.namespace}:${exampleNames.serviceAccount}`

/** Where examples/workload-identity is set up. */
export interface ExamplePlace {
  azure: LabAzure
  kube: KubeClient
  /** Of the cluster's service account tokens. */
  issuer: string
  /** Name of the vault. */
  vault: string
  packageRoot: string
}

/** As in Azure, the owner of a subscription has no right to what a vault holds until it assigns itself a role. */
export async function createExampleVault({ azure, vault }: ExamplePlace, value: string): Promise<void> {
  await azure.createResourceGroup()
  await azure.createVault(vault)
  await azure.assignRole({ role: 'Key Vault Administrator', principalId: await azure.principalId(), vault })
  await azure.setSecret(vault, exampleNames.secret, value)
}

export async function createExampleIdentity(place: ExamplePlace): Promise<Identity> {
  const { azure, vault } = place
  const identity = await azure.createIdentity(exampleNames.identity)
  await trustSubject(place, exampleSubject)
  await azure.assignRole({ role: 'Key Vault Secrets User', principalId: identity.principalId, vault })
  return identity
}

/** Sets which service account the identity's federated credential is for. */
export async function trustSubject({ azure, issuer }: ExamplePlace, subject: string): Promise<void> {
  await azure.setFederatedCredential(exampleNames.identity, { name: exampleNames.federatedCredential, issuer, subject })
}

export async function applyExample(place: ExamplePlace, { clientId }: Identity): Promise<void> {
  const placeholders = {
    USER_ASSIGNED_CLIENT_ID: clientId,
    KEYVAULT_NAME: place.vault,
    IDENTITY_TENANT: place.azure.tenantId,
  }
  for (const file of ['1-serviceaccount.yaml', '2-secretproviderclass.yaml']) {
    await applyManifest(place, file, placeholders)
  }
  await applyExamplePod(place)
}

export async function applyExamplePod(place: ExamplePlace): Promise<void> {
  await applyManifest(place, '3-pod.yaml', {})
}

/** Applies a manifest of the example, as `envsubst < FILE | kubectl apply -f -` does. */
async function applyManifest(
  { packageRoot, kube }: ExamplePlace,
  file: string,
  placeholders: Record<string, string>,
): Promise<void> {
  const text = readFileSync(join(packageRoot, 'examples/workload-identity', file), 'utf8')
  const filled = text.replace(/\$\{(\w+)\}/g, (whole, name: string) => placeholders[name] ?? whole)
  const object = parse(filled) as UntypedObject
  const resource = resourceOf(object)
  if (resource === undefined) throw new Error(`${file}: unknown kind ${object.kind}`)
  const metadata = { namespace: exampleNames.namespace, ...object.metadata }
  await kube.apply(resource, { ...object, metadata }, { fieldManager: 'keymount-example' })
}
