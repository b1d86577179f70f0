import {
  classParameters,
  type Finding,
  formatFinding,
  jsonPathFields,
  type ObjectFieldRow,
  type ObjectFieldTable,
  objectFields,
  type ParameterRow,
  type ParameterTable,
  retiredParameters,
  selectFields,
  templateFields,
} from '#azure/class'
import { classAnnotations, statusAnnotations } from '#kubernetes/client'
import { type classWith, findingsOf, invalidValue, isOfSelect, parameterWith } from './class-example.ts'
import { code, generatedFrom, markdownTable } from './table.ts'

const intro = `# SecretProviderClass

${generatedFrom('the tables that the parser uses (`src/azure/class`)')}

A \`SecretProviderClass\` names the objects that a volume contains and the identity that reads them. This is the reference for the provider
\`azure\`; [examples](../examples/README.md) has complete manifests, and [\`schemas/secretproviderclass.schema.json\`](../schemas/secretproviderclass.schema.json)
is the same as a JSON Schema, for editors and CI:

\`\`\`yaml
# yaml-language-server: $schema=https://raw.githubusercontent.com/keymount/keymount/main/schemas/secretproviderclass.schema.json
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: app
spec:
  provider: azure
  parameters:
    keyvaultName: shop-vault
    tenantID: 72f988bf-0000-0000-0000-2d7cd011db47
    objects: |
      array:
        - |
          objectName: db-password
          objectType: secret
\`\`\`

"Since" is the first release of the upstream provider that had it, or Keymount. The errors below are those of the webhook's class check; the
event of a pod has the same text. Amounts are bounded: see [limits.md](limits.md).
`

interface Annotation {
  name: string
  on: string
  type: string
  meaning: string
}

const annotations: Record<keyof typeof classAnnotations | keyof typeof statusAnnotations, Omit<Annotation, 'name'>> = {
  rotate: {
    on: 'SecretProviderClass',
    type: 'any text, for example a time',
    meaning: 'A new value checks all volumes of the class at once.',
  },
  checks: {
    on: 'SecretProviderClass',
    type: '`warn`',
    meaning: 'Findings of the class check are warnings for this class, also with `webhook.classChecks.refuse`.',
  },
  changed: {
    on: 'SecretProviderClass',
    type: 'JSON',
    meaning:
      'What changed in the vault, written by the operator. A new value checks volumes and SecretSyncs of the class.',
  },
  syncServiceAccount: {
    on: 'SecretProviderClass',
    type: 'name of a ServiceAccount',
    meaning:
      'The sync controller makes the Secrets of `secretObjects` as this account, without a pod, and the driver leaves them alone. See [secret-sync.md](secret-sync.md).',
  },
  lastCheck: { on: 'status object', type: 'time (RFC 3339)', meaning: 'Last check of the volume.' },
  lastChange: { on: 'status object', type: 'time (RFC 3339)', meaning: 'Last change of its files.' },
  nextCheck: {
    on: 'status object',
    type: 'time (RFC 3339)',
    meaning: 'Next check; missing where the driver does not rotate.',
  },
  lastFailure: { on: 'status object', type: 'text', meaning: 'Why the last check failed; missing after a success.' },
  failingSince: {
    on: 'status object',
    type: 'time (RFC 3339)',
    meaning: 'First of the failures in a row; missing after a success.',
  },
  failureCode: {
    on: 'status object',
    type: 'text, for example `PermissionDenied`',
    meaning: 'gRPC code of the last failure; missing after a success.',
  },
  secrets: {
    on: 'status object',
    type: 'names, separated by commas',
    meaning: 'Secrets that the class asks for, and those that it no longer names and that are not removed yet.',
  },
  rotatedFor: {
    on: 'status object',
    type: 'text',
    meaning: 'The value of `keymount.dev/rotate` that the volume has processed, successfully or with `last-failure`.',
  },
  classGeneration: {
    on: 'status object',
    type: 'number',
    meaning: '`metadata.generation` of the class for which the volume was last read.',
  },
  changedFor: {
    on: 'status object',
    type: 'text',
    meaning: 'The `id` in `keymount.dev/changed` of the class for which the volume was last read again, successfully.',
  },
  startedWith: {
    on: 'status object',
    type: '16 hexadecimal digits',
    meaning:
      'Names the versions that the pod’s containers started with; never changes. Missing for a pod that an earlier driver mounted. See [restart.md](restart.md).',
  },
  mirroredFor: {
    on: 'status object',
    type: '16 hexadecimal digits',
    meaning: 'Names the versions that the Secrets of the class carry; missing before they were written.',
  },
  pollInterval: {
    on: 'status object',
    type: 'Go duration',
    meaning:
      'The volume is polled this rarely, because the operator confirms that it hears of every change; missing while its own interval counts. See [events.md](events.md#quiet-polling).',
  },
  staleSince: {
    on: 'status object',
    type: 'time (RFC 3339)',
    meaning:
      'The values are as old as this time, because the vault or Entra did not answer; missing while everything is fresh. See [outages.md](outages.md).',
  },
}

/** The text of docs/secretproviderclass.md. */
export function classPage(): string {
  return [
    intro,
    `## Parameters\n\n\`spec.parameters\`. All values are strings.\n\n${overview(classParameters)}\n`,
    ...Object.entries(classParameters).map(([name, row]) => parameterSection(name, row)),
    `Parameters of earlier upstream releases are accepted without effect: ${retiredParameters.map(code).join(', ')}.\n`,
    `## Objects\n\nThe fields of an entry of \`objects\`. With \`select\`, the entry is for many objects and has neither \`objectName\` nor \`objectType\`.\n\n${overview(objectFields)}\n`,
    ...fieldSections(objectFields, (fields) => (isOfSelect(fields) ? { entry: fields } : { object: fields })),
    `## Values of a JSON secret\n\nThe fields of an entry of \`jsonPath\`, where it is a list.\n\n${overview(jsonPathFields)}\n`,
    ...fieldSections(jsonPathFields, (fields) => ({ object: { jsonPath: [{ path: '$.password', ...fields }] } })),
    `## Objects that are selected\n\nThe fields of \`select\`, in an entry of \`objects\` without \`objectName\`. See [selectors.md](selectors.md).\n\n${overview(selectFields)}\n`,
    ...fieldSections(selectFields, (fields) => ({ select: fields })),
    `## Templates\n\nThe fields of an entry of \`templates\`. See [templates.md](templates.md).\n\n${overview(templateFields)}\n`,
    ...fieldSections(templateFields, (fields) => ({ template: fields })),
    secretObjectsSection(),
    annotationsSection(),
  ].join('\n')
}

function overview(table: ParameterTable | ObjectFieldTable): string {
  return markdownTable(
    ['name', 'required', 'meaning'],
    Object.entries(table).map(([name, row]) => [code(name), isRequired(row) ? 'yes' : '', row.meaning]),
  )
}

function isRequired(row: ParameterRow | ObjectFieldRow): boolean {
  return 'readBy' in row ? row.missing !== undefined : row.required === true
}

function parameterSection(name: string, row: ParameterRow): string {
  const instead = row.deprecated === undefined ? '' : ` Deprecated: use ${code(row.deprecated)}.`
  const errors = [
    ...(row.missing === undefined ? [] : findingsOf({ parameters: { [name]: '' } })),
    ...refused(name, row.type, (value) => findingsOf({ parameters: parameterWith(name, value) })),
  ]
  return section({ name, row, text: `${row.meaning}${instead}`, errors, readBy: row.readBy })
}

function fieldSections(
  table: ObjectFieldTable,
  changes: (fields: Record<string, unknown>) => Parameters<typeof classWith>[0],
): string[] {
  return Object.entries(table).map(([name, row]) =>
    section({
      name,
      row,
      text: row.meaning,
      errors: refused(name, row.type, (value) => findingsOf(changes({ [name]: value }))),
    }),
  )
}

function refused(
  name: string,
  type: ParameterRow['type'] | ObjectFieldRow['type'],
  find: (value: string) => Finding[],
): Finding[] {
  const value = invalidValue(name, type)
  return value === undefined ? [] : find(value)
}

interface Section {
  name: string
  row: ParameterRow | ObjectFieldRow
  text: string
  errors: readonly Finding[]
  readBy?: string
}

function section({ name, row, text, errors, readBy }: Section): string {
  const lines = [
    `- Type: ${typeText(row)}`,
    `- Default: ${row.default === '' ? 'none' : row.default}`,
    `- Since: ${row.since}`,
    ...(readBy === 'driver' ? ['- Read by the driver, so it works with any provider'] : []),
    ...(row.example.includes('\n') ? [] : [`- Example: ${code(`${name}: ${quoted(row)}`)}`]),
    ...errors.map((error) => `- Error: ${code(formatFinding(error))}`),
  ]
  return `### ${name}\n\n${text}\n\n${lines.join('\n')}\n`
}

/** Parameters are strings, so YAML needs quotes where it would read another type. */
function quoted(row: ParameterRow | ObjectFieldRow): string {
  const isText = 'readBy' in row || row.type === 'octal' || row.type === 'text'
  return isText && /^(true|false|\d+)$/.test(row.example) ? `"${row.example}"` : row.example
}

function typeText(row: ParameterRow | ObjectFieldRow): string {
  const words: Record<typeof row.type, string> = {
    text: 'text',
    boolean: 'readBy' in row ? '`"true"` or `"false"`' : 'boolean',
    duration: 'duration, for example `30s`, `5m`, `1h30m`',
    objects: 'YAML text',
    owner: '`UID` or `UID:GID`',
    name: 'name of a Kubernetes object',
    choice: 'choice',
    integer: 'integer',
    octal: 'octal digits in quotes',
    paths: 'path, or list of entries',
    select: 'mapping',
    tags: 'mapping of texts',
    templates: 'YAML text',
  }
  const { allowed } = row
  if (allowed === undefined) return words[row.type]
  const anyCase = 'anyCase' in row && row.anyCase === true ? ', in any case' : ''
  return `one of ${allowed.map(code).join(', ')}${anyCase}`
}

function secretObjectsSection(): string {
  const fields: [name: string, type: string, meaning: string][] = [
    ['secretName', 'text, required', 'Name of the Secret, in the namespace of the class.'],
    ['type', 'text', 'Type of the Secret, for example `Opaque` (default) or `kubernetes.io/tls`.'],
    ['labels', 'map of text', 'Labels of the Secret.'],
    ['annotations', 'map of text', 'Annotations of the Secret.'],
    [
      'data[].objectName',
      'text, required',
      'File of the volume: the `objectAlias` of an object, its `objectName`, or the `fileName` of a template. With `syncAll`, `"*"` for every file.',
    ],
    [
      'data[].key',
      'text, required',
      'Key of the Secret that gets the content of the file. For `"*"` it has `{file}`, the path of the file with `.` for `/`.',
    ],
  ]
  const errors = findingsOf({
    secretObjects: [
      { type: 'kubernetes.io/service-account-token', data: [{ objectName: 'db-pasword' }] },
      { secretName: 'app' },
    ],
  })
  return `## secretObjects

\`spec.secretObjects\`: Kubernetes Secrets that the driver writes from the files of the volume while a pod uses it. Needs the chart value
\`syncSecret.enabled=true\`.

${markdownTable(
  ['field', 'type', 'meaning'],
  fields.map(([name, type, meaning]) => [code(name), type, meaning]),
)}

\`\`\`yaml
spec:
  secretObjects:
    - secretName: app
      type: Opaque
      data:
        - objectName: db-password
          key: password
\`\`\`

Errors:

${errors.map((error) => `- ${code(formatFinding(error))}`).join('\n')}
`
}

function annotationsSection(): string {
  const names = { ...classAnnotations, ...statusAnnotations }
  const rows = (Object.keys(annotations) as (keyof typeof annotations)[]).map((key) => {
    const { on, type, meaning } = annotations[key]
    return [code(names[key]), on, type, meaning]
  })
  return `## Annotations

A status object is the \`SecretProviderClassPodStatus\` of a volume: \`kubectl get secretproviderclasspodstatuses -n NAMESPACE\`.

${markdownTable(['annotation', 'on', 'type', 'meaning'], rows)}
`
}
