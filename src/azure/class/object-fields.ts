/** A field of an entry of `objects`, or of an entry of its `jsonPath`. The reference and the JSON Schema come from these rows. */
export interface ObjectFieldRow {
  /**
   * `choice`: one of `allowed`. `octal`: digits such as `0400`. `paths`: a JSON path, or a list of entries with fields of
   * their own. `select`: a mapping of `selectFields`. `tags`: a mapping of texts.
   */
  type: 'text' | 'choice' | 'integer' | 'octal' | 'boolean' | 'paths' | 'select' | 'tags'
  /** Required: `objectName` and `objectType` of an entry without `select`. */
  required?: true
  /** What is used for an object without the field, in words or as a value; empty for nothing. */
  default: string
  allowed?: readonly string[]
  /** Whether `allowed` is matched in any case. */
  anyCase?: true
  since: string
  example: string
  meaning: string
}

export type ObjectFieldTable = Readonly<Record<string, ObjectFieldRow>>

export const objectFields = {
  objectName: {
    type: 'text',
    required: true,
    default: '',
    since: '0.0.1',
    example: 'db-password',
    meaning: 'Name of the object in the vault: 1 to 127 letters, digits and dashes.',
  },
  objectType: {
    type: 'choice',
    required: true,
    default: '',
    allowed: ['secret', 'key', 'cert'],
    since: '0.0.1',
    example: 'secret',
    meaning:
      'What to read: `secret` (for a certificate: its private key and chain), `key` (the public key) or `cert` (the certificate alone). `certificate` is accepted for `cert`.',
  },
  objectAlias: {
    type: 'text',
    default: 'objectName',
    since: '0.0.5',
    example: 'tls/server.pem',
    meaning: 'Path of the file below the mount point.',
  },
  objectVersion: {
    type: 'text',
    default: 'the newest version',
    since: '0.0.1',
    example: '0123456789abcdef0123456789abcdef',
    meaning: 'Version to read; `latest` or nothing for the newest.',
  },
  objectVersionHistory: {
    type: 'integer',
    default: '1',
    since: '1.3.0',
    example: '3',
    meaning: 'Number of versions to give, newest first, as the files `NAME/0`, `NAME/1` and so on.',
  },
  objectFormat: {
    type: 'choice',
    default: 'pem',
    allowed: ['pem', 'pfx'],
    anyCase: true,
    since: '0.0.8',
    example: 'pfx',
    meaning: 'Form of a certificate with its private key, for objectType `secret`.',
  },
  objectEncoding: {
    type: 'choice',
    default: 'utf-8',
    allowed: ['utf-8', 'hex', 'base64'],
    anyCase: true,
    since: '0.0.8',
    example: 'base64',
    meaning: 'How the secret’s value is encoded; the file has the decoded bytes. For objectType `secret`.',
  },
  filePermission: {
    type: 'octal',
    default: 'the mode of the volume (0644)',
    since: '1.1.0',
    example: '0400',
    meaning: 'Mode of the file: octal digits up to 0777.',
  },
  vault: {
    type: 'text',
    default: 'keyvaultName of the class',
    since: 'Keymount',
    example: 'other-vault',
    meaning: 'Another vault to read this object from.',
  },
  optional: {
    type: 'boolean',
    default: 'false',
    since: 'Keymount',
    example: 'true',
    meaning: 'Skip the object when the vault does not have it, instead of failing the mount.',
  },
  jsonPath: {
    type: 'paths',
    default: '',
    since: 'Keymount',
    example: '$.database.password',
    meaning:
      'For a secret that holds JSON: the value to write instead of the whole, or a list of entries that each become a file.',
  },
  only: {
    type: 'choice',
    default: 'the file is written',
    allowed: ['templates'],
    since: 'Keymount',
    example: 'templates',
    meaning: 'The object is read for `templates` alone: it gets no file of its own.',
  },
  select: {
    type: 'select',
    default: '',
    since: 'Keymount',
    example: '{ namePattern: app-.* }',
    meaning:
      'Instead of `objectName` and `objectType`: every object of the vault that fits. Not selected: what is disabled, expired or not valid yet, and secrets and keys that belong to a certificate.',
  },
  fileName: {
    type: 'text',
    default: '{name}',
    since: 'Keymount',
    example: 'config/{name}',
    meaning:
      'With `select`: path of each file, with `{name}` for the name of the object and `{tag:KEY}` for one of its tags.',
  },
  stripPrefix: {
    type: 'text',
    default: '',
    since: 'Keymount',
    example: 'app-',
    meaning: 'With `select`: what `{name}` leaves out at its start.',
  },
  limit: {
    type: 'integer',
    default: '100',
    since: 'Keymount',
    example: '200',
    meaning: 'With `select`: number of objects, at most 500, beyond which the mount fails.',
  },
} as const satisfies ObjectFieldTable

/** Fields of `select`. */
export const selectFields = {
  type: {
    type: 'choice',
    default: 'secret',
    allowed: ['secret', 'key', 'cert'],
    since: 'Keymount',
    example: 'cert',
    meaning: 'Which objects, as `objectType`.',
  },
  namePattern: {
    type: 'text',
    default: '',
    since: 'Keymount',
    example: 'app-(db|cache)-.*',
    meaning: 'Regular expression (RE2’s syntax, at most 256 characters) that the whole name fits.',
  },
  tags: {
    type: 'tags',
    default: '',
    since: 'Keymount',
    example: '{ app: shop, tier: "*" }',
    meaning: 'Tags that the object has, all of them; `"*"` for any value.',
  },
  all: {
    type: 'boolean',
    default: 'false',
    since: 'Keymount',
    example: 'true',
    meaning: 'Every object of the type, instead of `namePattern` and `tags`.',
  },
  exclude: {
    type: 'text',
    default: '',
    since: 'Keymount',
    example: '.*-test',
    meaning: 'Regular expression of whole names that are left out.',
  },
  name: {
    type: 'text',
    default: '',
    since: 'Keymount',
    example: 'app',
    meaning: 'Name of the set for templates: `selected "app"`.',
  },
} as const satisfies ObjectFieldTable

/** Fields of an entry of `jsonPath`, where it is a list. */
export const jsonPathFields = {
  path: {
    type: 'text',
    required: true,
    default: '',
    since: 'Keymount',
    example: '$.database.password',
    meaning: 'Path of the value in the JSON: member names and array indexes.',
  },
  objectAlias: {
    type: 'text',
    default: 'the last step of the path',
    since: 'Keymount',
    example: 'db/password',
    meaning: 'Path of the file below the mount point.',
  },
  filePermission: {
    type: 'octal',
    default: 'filePermission of the object',
    since: 'Keymount',
    example: '0400',
    meaning: 'Mode of the file: octal digits up to 0777.',
  },
} as const satisfies ObjectFieldTable

export type ObjectFieldName = keyof typeof objectFields

export const objectFieldNames = Object.keys(objectFields) as readonly ObjectFieldName[]
export const selectFieldNames = Object.keys(selectFields) as readonly (keyof typeof selectFields)[]
export const jsonPathFieldNames = Object.keys(jsonPathFields) as readonly (keyof typeof jsonPathFields)[]

/** Fields of an entry of `templates`. */
export const templateFields = {
  fileName: {
    type: 'text',
    required: true,
    default: '',
    since: 'Keymount',
    example: 'application.properties',
    meaning: 'Path of the file below the mount point.',
  },
  template: {
    type: 'text',
    required: true,
    default: '',
    since: 'Keymount',
    example: 'password={{ .db_password | quote "properties" }}',
    meaning: 'The text of the file, with actions in double braces.',
  },
  filePermission: {
    type: 'octal',
    default: 'the mode of the volume (0644)',
    since: 'Keymount',
    example: '0440',
    meaning: 'Mode of the file: octal digits up to 0777.',
  },
} as const satisfies ObjectFieldTable

export const templateFieldNames = Object.keys(templateFields) as readonly (keyof typeof templateFields)[]
