import { z } from 'zod'
import type { Directory } from '../../directory/directory.ts'
import {
  conflictOf,
  defaultFederationAudience,
  maxFederatedCredentials,
} from '../../directory/federated-credential-rules.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import { resourceNotFound } from '../error-response.ts'
import { type Identities, type Identity, identityType } from '../managed-identity/identities.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { checkLinkedPermission } from '../resource-identity.ts'
import { type Cluster, type Clusters, clusterType } from './clusters.ts'
import {
  bindingCredentialName,
  bindingIssuer,
  type IdentityBinding,
  type IdentityBindings,
} from './identity-bindings.ts'

export interface IdentityBindingOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  identities: Identities
  clusters: Clusters
  bindings: IdentityBindings
}

const type = `${clusterType}/identityBindings`
const inCluster =
  '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.containerservice/managedclusters/:name/identitybindings'
const onBinding = `${inCluster}/:binding`
const maxBindings = 100

const putBody = z.object({
  properties: z.object({ managedIdentity: z.object({ resourceId: z.string().min(1).max(1024) }) }),
})

/** Identity bindings of managed clusters. https://learn.microsoft.com/rest/api/aks/identity-bindings */
export function identityBindingOperations(options: IdentityBindingOptions): ArmOperation[] {
  return [
    armOperation('arm.identityBinding.put', 'PUT', onBinding, `${type}/write`, (call) => put(options, call)),
    armOperation('arm.identityBinding.get', 'GET', onBinding, `${type}/read`, (call) => ({
      status: 200,
      body: render(options, existing(options, call)),
    })),
    armOperation('arm.identityBinding.delete', 'DELETE', onBinding, `${type}/delete`, (call) => remove(options, call)),
    armOperation('arm.identityBinding.list', 'GET', inCluster, `${type}/read`, (call) => {
      const { id } = existingCluster(options, call)
      return { status: 200, body: { value: options.bindings.ofCluster(id).map((each) => render(options, each)) } }
    }),
  ]
}

async function put(options: IdentityBindingOptions, call: ArmCall): Promise<ArmAnswer> {
  const { store, bindings } = options
  const cluster = existingCluster(options, call)
  const { managedIdentity } = (await call.body(putBody)).properties
  const before = find(options, cluster, call)
  const identity = bindableIdentity(options, call, managedIdentity.resourceId)
  if (before === undefined) checkNew(options, cluster, call.name('binding'))
  else if (before.clientId !== identity.clientId) {
    const message = "Changing property 'properties.managedIdentity.resourceId' is not allowed."
    throw new Refusal(400, 'PropertyChangeNotAllowed', message)
  }
  const binding: IdentityBinding = before ?? {
    id: `${cluster.id}/identityBindings/${call.name('binding')}`,
    name: call.name('binding'),
    clusterId: cluster.id,
    identityId: identity.id,
    clientId: identity.clientId,
  }
  store.commit([bindings.put(binding), ...sharedCredential(options, identity)])
  return { status: before === undefined ? 201 : 200, body: render(options, binding) }
}

function existingCluster({ clusters }: IdentityBindingOptions, call: ArmCall): Cluster {
  const id = `/subscriptions/${call.name('subscription')}/resourceGroups/${call.name('group')}/providers/${clusterType}/${call.name('name')}`
  const cluster = clusters.get(id)
  if (cluster === undefined) throw resourceNotFound(clusterType, call.name('name'), call.name('group'))
  return cluster
}

function find({ bindings }: IdentityBindingOptions, { id }: Cluster, call: ArmCall): IdentityBinding | undefined {
  return bindings.get(`${id}/identityBindings/${call.name('binding')}`)
}

/** The identity, on which the caller may create the credential that the binding needs. */
function bindableIdentity({ identities }: IdentityBindingOptions, call: ArmCall, resourceId: string): Identity {
  const identity = identities.get(resourceId)
  if (identity === undefined) {
    throw new Refusal(400, 'InvalidParameter', `The managed identity '${resourceId}' was not found.`)
  }
  checkLinkedPermission(call, `${type}/write`, {
    action: `${identityType}/federatedIdentityCredentials/write`,
    resourceId: identity.id,
  })
  return identity
}

function checkNew({ bindings }: IdentityBindingOptions, cluster: Cluster, name: string): void {
  if (!/^[a-zA-Z0-9](?:[a-zA-Z0-9_-]{0,98}[a-zA-Z0-9])?$/.test(name)) {
    const message = `The identity binding name '${name}' is invalid: it has up to 100 letters, digits, hyphens and underscores.`
    throw new Refusal(400, 'InvalidParameter', message)
  }
  if (bindings.ofCluster(cluster.id).length < maxBindings) return
  throw new Refusal(
    400,
    'QuotaExceeded',
    `The local Azure keeps at most ${maxBindings} identity bindings of a cluster.`,
  )
}

/** One credential for all bindings of the identity, so that none of them counts against its limit but the first. */
function sharedCredential({ directory, tenant }: IdentityBindingOptions, { clientId }: Identity): Change[] {
  const { federatedCredentials } = directory
  if (federatedCredentials.get(clientId, bindingCredentialName) !== undefined) return []
  const credential = {
    clientId,
    name: bindingCredentialName,
    issuer: bindingIssuer(tenant.tenantId, clientId),
    subject: clientId,
    audiences: [defaultFederationAudience],
  }
  if (conflictOf(credential, federatedCredentials.of(clientId)) === 'too many') {
    throw new Refusal(
      400,
      'BadRequest',
      `Too many Federated Identity Credentials: a managed identity may have at most ${maxFederatedCredentials}.`,
    )
  }
  return [federatedCredentials.put(credential)]
}

function existing(options: IdentityBindingOptions, call: ArmCall): IdentityBinding {
  const binding = find(options, existingCluster(options, call), call)
  if (binding !== undefined) return binding
  const message = `The identity binding '${call.name('binding')}' was not found in the cluster '${call.name('name')}'.`
  throw new Refusal(404, 'NotFound', message)
}

function remove(options: IdentityBindingOptions, call: ArmCall): ArmAnswer {
  const binding = find(options, existingCluster(options, call), call)
  if (binding !== undefined) options.store.commit(options.bindings.remove(binding))
  return { status: 204 }
}

function render({ tenant, identities }: IdentityBindingOptions, binding: IdentityBinding) {
  const { id, name, identityId, clientId } = binding
  return {
    id,
    name,
    type,
    properties: {
      managedIdentity: {
        resourceId: identityId,
        objectId: identities.get(identityId)?.principalId,
        clientId,
        tenantId: tenant.tenantId,
      },
      oidcIssuer: { oidcIssuerUrl: bindingIssuer(tenant.tenantId, clientId) },
      provisioningState: 'Succeeded',
    },
  }
}
