import type { ServiceName } from '../proxy/served-hosts.ts'
import type { OperationRow } from './service.ts'

/**
 * Operations of Azure that users may look for and that are not implemented. Their refusal names them, and docs/lab.md lists
 * them.
 */
export const knownGaps: Record<ServiceName | 'imds', readonly OperationRow[]> = {
  entra: [{ operation: 'entra.logout', method: 'GET', path: '/:tenant/oauth2/v2.0/logout' }],
  arm: [
    { operation: 'arm.topicType.list', method: 'GET', path: '/providers/microsoft.eventgrid/topictypes' },
    ...inGroup('arm.eventGridTopic.put', 'PUT', 'microsoft.eventgrid/topics/:n'),
    ...inGroup('arm.eventGridDomain.put', 'PUT', 'microsoft.eventgrid/domains/:n'),
    ...inGroup('arm.eventGridNamespace.listKeys', 'POST', 'microsoft.eventgrid/namespaces/:n/listkeys'),
    ...inGroup('arm.eventGridNamespace.putTopicSpace', 'PUT', 'microsoft.eventgrid/namespaces/:n/topicspaces/:o'),
    ...inGroup('arm.eventGridNamespace.putClient', 'PUT', 'microsoft.eventgrid/namespaces/:n/clients/:o'),
    ...inGroup('arm.deployment.put', 'PUT', 'microsoft.resources/deployments/:n'),
    ...inGroup('arm.managedHsm.put', 'PUT', 'microsoft.keyvault/managedhsms/:n'),
    ...inGroup('arm.vaultSecret.put', 'PUT', 'microsoft.keyvault/vaults/:n/secrets/:o'),
    ...inGroup('arm.vaultKey.put', 'PUT', 'microsoft.keyvault/vaults/:n/keys/:o'),
    ...inGroup('arm.privateEndpointConnection.list', 'GET', 'microsoft.keyvault/vaults/:n/privateendpointconnections'),
    ...inGroup('arm.vm.start', 'POST', 'microsoft.compute/virtualmachines/:n/start'),
    ...inGroup('arm.vm.deallocate', 'POST', 'microsoft.compute/virtualmachines/:n/deallocate'),
  ],
  graph: [
    { operation: 'graph.user.list', method: 'GET', path: '/v1.0/users' },
    { operation: 'graph.user.create', method: 'POST', path: '/v1.0/users' },
    { operation: 'graph.user.get', method: 'GET', path: '/v1.0/users/:id' },
    { operation: 'graph.group.list', method: 'GET', path: '/v1.0/groups' },
    { operation: 'graph.group.create', method: 'POST', path: '/v1.0/groups' },
    { operation: 'graph.organization.list', method: 'GET', path: '/v1.0/organization' },
    { operation: 'graph.application.listOwners', method: 'GET', path: '/v1.0/applications/:id/owners' },
    { operation: 'graph.application.addKey', method: 'POST', path: '/v1.0/applications/:id/addkey' },
    { operation: 'graph.deletedItem.list', method: 'GET', path: '/v1.0/directory/deleteditems/:type' },
  ],
  keyvault: [
    { operation: 'vault.key.release', method: 'POST', path: '/keys/:name/:version/release' },
    { operation: 'vault.key.getAttestation', method: 'GET', path: '/keys/:name/:version/attestation' },
    { operation: 'vault.key.getRandomBytes', method: 'POST', path: '/rng' },
    { operation: 'vault.storage.list', method: 'GET', path: '/storage' },
  ],
  queue: [
    { operation: 'queue.service.getProperties', method: 'GET', path: '/?comp=properties' },
    { operation: 'queue.service.setProperties', method: 'PUT', path: '/?comp=properties' },
    { operation: 'queue.service.getStatistics', method: 'GET', path: '/?comp=stats' },
    { operation: 'queue.service.getUserDelegationKey', method: 'POST', path: '/?comp=userdelegationkey' },
    { operation: 'queue.getAccessPolicy', method: 'GET', path: '/:queue?comp=acl' },
    { operation: 'queue.setAccessPolicy', method: 'PUT', path: '/:queue?comp=acl' },
  ],
  eventgrid: [],
  imds: [
    { operation: 'imds.instance', method: 'GET', path: '/metadata/instance' },
    { operation: 'imds.attested', method: 'GET', path: '/metadata/attested/document' },
  ],
}

function inGroup(operation: string, method: string, resource: string): OperationRow[] {
  return [{ operation, method, path: `/subscriptions/:s/resourcegroups/:g/providers/${resource}` }]
}

/** Describes a request that is not implemented: by its operation's name, if it has one. */
export function describeGap(service: keyof typeof knownGaps, method: string, path: string): string {
  const gap = knownGaps[service].find((row) => row.method === method && matches(row.path, path))
  return gap === undefined ? `${method} ${path}` : `${gap.operation} (${method} ${path})`
}

function matches(pattern: string, target: string): boolean {
  const [patternPath = '', wantedQuery] = pattern.split('?')
  const [path = '', query] = target.toLowerCase().split('?')
  const wanted = patternPath.replace(/\/+$/, '').split('/')
  const found = path.replace(/\/+$/, '').split('/')
  if (wantedQuery !== query) return false
  return wanted.length === found.length && wanted.every((part, i) => part.startsWith(':') || part === found[i])
}
