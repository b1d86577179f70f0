import { selectableWays } from '#azure/identity'

/**
 * The parameters of a class. A row is what the parser reads a parameter by, and what `docs/secretproviderclass.md` and the
 * JSON Schema are generated from.
 */
export interface ParameterRow {
  /**
   * `text` and `boolean` (Go's spellings, as text), `duration` (Go's form; milliseconds once parsed), `objects` and `templates` (YAML), `owner`
   * (`UID` or `UID:GID`) and `name` (of a Kubernetes object). The value in the class is always a string.
   */
  type: 'text' | 'boolean' | 'duration' | 'objects' | 'templates' | 'owner' | 'name'
  /** What a duration of 0s means; undefined where it is refused. */
  zero?: string
  /** Words of the error when a class leaves it out; undefined for an optional parameter. */
  missing?: string
  /** What is used when the class leaves it out, in words or as a value; empty for nothing. */
  default: string
  /** The only values, in any case; undefined for any text. */
  allowed?: readonly string[]
  /** The first release of the Azure provider that had it, or `Keymount`. */
  since: string
  example: string
  /** One sentence for the reference. */
  meaning: string
  /** The program that acts on it. */
  readBy: 'provider' | 'driver'
  /** What to use instead; undefined for a current parameter. */
  deprecated?: string
}

export type ParameterTable = Readonly<Record<string, ParameterRow>>

const plainParameters = {
  keyvaultName: {
    type: 'text',
    missing: 'keyvaultName is not provided',
    default: '',
    since: '0.0.1',
    example: 'shop-vault',
    meaning: 'Name of the vault: 3 to 24 letters, digits and dashes.',
    readBy: 'provider',
  },
  objects: {
    type: 'objects',
    missing: 'objects is not set',
    default: '',
    since: '0.0.4',
    example: 'array:\n  - |\n    objectName: db-password\n    objectType: secret\n',
    meaning: 'YAML: the list of objects to read, one block per object under `array`.',
    readBy: 'provider',
  },
  templates: {
    type: 'templates',
    default: '',
    since: 'Keymount',
    example: '- fileName: app.properties\n  template: |\n    password={{ .db_password | quote "properties" }}\n',
    meaning: 'YAML: a list of files that are made of the objects, as docs/templates.md describes.',
    readBy: 'provider',
  },
  syncAll: {
    type: 'boolean',
    default: 'false',
    since: 'Keymount',
    example: 'true',
    meaning:
      'Lets an entry of `secretObjects` have `objectName: "*"` with `key: "{file}"`: a key for every file of the volume.',
    readBy: 'driver',
  },
  tenantID: {
    type: 'text',
    default:
      'annotation azure.workload.identity/tenant-id of the service account, then the provider’s --default-tenant',
    since: '1.2.0',
    example: '72f988bf-0000-0000-0000-2d7cd011db47',
    meaning: 'Entra tenant of the vault and the identity: its id or one of its domains.',
    readBy: 'provider',
  },
  tenantId: {
    type: 'text',
    default: '',
    since: '0.0.1',
    example: '72f988bf-0000-0000-0000-2d7cd011db47',
    meaning: 'Earlier spelling of `tenantID`, used where that is empty.',
    readBy: 'provider',
    deprecated: 'tenantID',
  },
  clientID: {
    type: 'text',
    default: 'annotation azure.workload.identity/client-id of the service account',
    since: '1.1.0',
    example: '3f2504e0-0000-0000-0000-0305e82c3301',
    meaning: 'Client id of the application or managed identity to sign in as: workload identity.',
    readBy: 'provider',
  },
  userAssignedIdentityID: {
    type: 'text',
    default: 'the node’s system-assigned identity',
    since: '0.0.5',
    example: '3f2504e0-0000-0000-0000-0305e82c3301',
    meaning: 'With `useVMManagedIdentity`: client id of a user-assigned identity of the node.',
    readBy: 'provider',
  },
  cloudName: {
    type: 'text',
    default: 'the provider’s --cloud-name, then AzurePublicCloud',
    since: '0.0.5',
    example: 'AzureUSGovernmentCloud',
    meaning: 'Azure cloud of the vault.',
    readBy: 'provider',
  },
  cloudEnvFileName: {
    type: 'text',
    default: 'AZURE_ENVIRONMENT_FILEPATH of the provider',
    since: '0.0.7',
    example: 'region1.json',
    meaning:
      'With cloudName `AzureStackCloud`: file with the endpoints of that cloud, in the provider’s --cloud-files.',
    readBy: 'provider',
  },
  useEmulator: {
    type: 'boolean',
    default: 'false',
    since: 'Keymount',
    example: 'true',
    meaning: 'Read from the local Azure that the provider is configured for.',
    readBy: 'provider',
  },
  syncInterval: {
    type: 'duration',
    default: 'the driver’s --rotation-poll-interval',
    since: 'Keymount',
    example: '30s',
    meaning: 'Time between two checks of the volume for new versions, 1s or more.',
    readBy: 'driver',
  },
  fileOwner: {
    type: 'owner',
    default: 'root, or the pod’s fsGroup',
    since: 'Keymount',
    example: '1000:1000',
    meaning: 'Owner of the files: a user id, or user and group id.',
    readBy: 'driver',
  },
  serveStaleFor: {
    type: 'duration',
    zero: 'never',
    default: 'the provider’s --serve-stale-for',
    since: 'Keymount',
    example: '24h',
    meaning:
      'How old a value may be when a new pod starts while vault or Entra cannot answer, at most the provider’s --serve-stale-max; 0s: never.',
    readBy: 'provider',
  },
  fallbackKeyvaultName: {
    type: 'text',
    default: '',
    since: 'Keymount',
    example: 'shop-vault-west',
    meaning:
      'Vault that is asked for the same objects when the vault of the class cannot answer. Objects with a `vault` of their own have none.',
    readBy: 'provider',
  },
  fallbackSecretName: {
    type: 'name',
    default: '',
    since: 'Keymount',
    example: 'app-fallback',
    meaning:
      'Secret of the pod’s namespace that fills the volume of a new pod when the provider cannot: its keys are the files, with `.` for `/`.',
    readBy: 'driver',
  },
} as const satisfies ParameterTable

/** Of the ways to sign in that a class selects by a parameter. */
const signInParameters: ParameterTable = Object.fromEntries(
  selectableWays.map(({ parameter: { name, ...rest } }) => [
    name,
    { type: 'boolean', default: 'false', example: 'true', readBy: 'provider', ...rest },
  ]),
)

/** Every parameter of a class. */
export const classParameters: ParameterTable = { ...plainParameters, ...signInParameters }

export type PlainParameterName = keyof typeof plainParameters

/** Those that are not about the way to sign in. */
export const plainParameterRows = Object.entries(plainParameters) as readonly [PlainParameterName, ParameterRow][]

export const parameterNames: readonly string[] = Object.keys(classParameters)

/** Parameters of earlier releases of the provider, which many classes still have. They have no effect. */
export const retiredParameters: readonly string[] = [
  'resourceGroup',
  'resourcegroup',
  'subscriptionId',
  'subscriptionid',
  'secretProviderClass',
  'providerName',
]

type ValueOf<T extends ParameterRow['type']> = T extends 'boolean'
  ? boolean
  : T extends 'duration'
    ? number | undefined
    : string

/** The value of every plain parameter, trimmed and of its type; empty, false or undefined where the class has none. */
export type ParameterValues = {
  readonly [N in PlainParameterName]: ValueOf<(typeof plainParameters)[N]['type']>
}
