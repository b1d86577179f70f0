import { type Credential, cloudNames, isStackCloud } from '#azure/identity'
import { type AzureCloud, findAzureCloud, parseAzureCloudFile } from '#azure/rest'
import { errorMessage, Problems, ProblemsError, SecretValue } from '#lib'
import { parseGoBool } from '#lib/flags'
import { parseJson, recordOf } from '#lib/formats'
import type { MachinePlace } from './machine.ts'

/** Where the cluster's machines are, and how the controller signs in there. */
export interface CloudConfig extends MachinePlace {
  cloud: AzureCloud
  credential: Credential
  /** Client id of the managed identity that the cluster itself runs with; it must never be removed from a machine. */
  clusterIdentity: string | undefined
}

/** Keys of `azure.json`, as AKS and the cloud provider for Azure write it, with the environment variable of each. */
const members = {
  cloud: 'CLOUD',
  tenantId: 'TENANT_ID',
  aadClientId: 'CLIENT_ID',
  aadClientSecret: 'CLIENT_SECRET',
  subscriptionId: 'SUBSCRIPTION_ID',
  resourceGroup: 'RESOURCE_GROUP',
  useManagedIdentityExtension: 'USE_MSI',
  userAssignedIdentityID: 'USER_ASSIGNED_MSI_CLIENT_ID',
} as const
type Member = keyof typeof members

export interface CloudFile {
  /** Text of the file that describes a custom cloud. */
  customCloud?: string | undefined
}

/** `azure.json`. Throws {@link ProblemsError} with everything that is wrong; never with a value of the file. */
export function parseCloudConfig(text: string, file: CloudFile = {}): CloudConfig {
  // Go matches the names of members in any case, and existing files rely on it.
  const values = new Map(Object.entries(readObject(text)).map(([key, value]) => [key.toLowerCase(), value]))
  const read = (member: Member) => String(values.get(member.toLowerCase()) ?? '')
  return build('cloud configuration', { read, nameOf: (member) => member, ...file })
}

function readObject(text: string): Record<string, unknown> {
  const what = 'cloud configuration'
  try {
    const object = recordOf(parseJson('the file', text))
    if (object !== undefined) return object
  } catch (error) {
    throw new ProblemsError(what, [{ path: '', message: errorMessage(error) }])
  }
  throw new ProblemsError(what, [{ path: '', message: 'the file is not a JSON object' }])
}

/** The same from `TENANT_ID`, `CLIENT_ID` and so on. Throws {@link ProblemsError}. */
export function cloudConfigOfEnvironment(env: Record<string, string | undefined>, file: CloudFile = {}): CloudConfig {
  const read = (member: Member) => env[members[member]] ?? ''
  return build('environment', { read, nameOf: (member) => members[member], ...file })
}

interface Source extends CloudFile {
  read: (member: Member) => string
  /** The member's name there. */
  nameOf: (member: Member) => string
}

function build(what: string, { read, nameOf, customCloud }: Source): CloudConfig {
  const problems = new Problems()
  const required = (member: Member): string => {
    const value = read(member)
    if (value === '') problems.add(nameOf(member), 'missing')
    return value
  }
  const managed = parseGoBool(read('useManagedIdentityExtension')) === true
  const tenantId = managed ? read('tenantId') : required('tenantId')
  const subscriptionId = required('subscriptionId')
  const resourceGroup = required('resourceGroup')
  const clientId = managed ? read('userAssignedIdentityID') : required('aadClientId')
  const secret = managed ? '' : required('aadClientSecret')
  const cloud = cloudOf(read('cloud'), { path: nameOf('cloud'), customCloud, problems })
  problems.throwIfAny(what)
  if (cloud === undefined) throw new Error('an unknown cloud is a problem')
  const credential: Credential = managed
    ? { kind: 'managed', tenantId, clientId: clientId === '' ? undefined : clientId }
    : {
        kind: 'service-principal',
        tenantId,
        clientId,
        proof: { kind: 'secret', secret: SecretValue.of(secret) },
      }
  const clusterIdentity = managed && clientId !== '' ? clientId : undefined
  return { cloud, credential, subscriptionId, resourceGroup, clusterIdentity }
}

function cloudOf(
  name: string,
  { path, customCloud, problems }: { path: string; customCloud: string | undefined; problems: Problems },
): AzureCloud | undefined {
  try {
    const cloud = isStackCloud(name) ? parseAzureCloudFile(customCloud ?? '') : findAzureCloud(name)
    if (cloud === undefined) problems.unexpected(path, name, `one of ${cloudNames.join(', ')}`)
    return cloud
  } catch (error) {
    problems.add(path, `the cloud's file is not usable: ${errorMessage(error)}`)
    return undefined
  }
}
