import type { Schema } from './structural-schema.ts'

/**
 * Builds the schemas of the built-in kinds from lists of their fields: `name:type`, where a type is one of the words below,
 * `[]type`, `map[string]type`, or the name of a Go type that is a string underneath (`v1.Protocol`). Without a type, a field is a
 * string. https://kubernetes.io/docs/reference/kubernetes-api/
 */
const scalars: Record<string, Schema> = {
  string: { type: 'string', 'x-go-type': 'string' },
  bool: { type: 'boolean', 'x-go-type': 'bool' },
  int32: { type: 'integer', format: 'int32', 'x-go-type': 'int32' },
  int64: { type: 'integer', format: 'int64', 'x-go-type': 'int64' },
  bytes: { type: 'string', format: 'byte', 'x-go-type': '[]uint8' },
  time: { type: 'string', format: 'date-time', 'x-go-type': 'v1.Time' },
  microtime: { type: 'string', format: 'date-time', 'x-go-type': 'v1.MicroTime' },
  quantity: { 'x-kubernetes-int-or-string': true, 'x-go-type': 'resource.Quantity' },
  intstr: { 'x-kubernetes-int-or-string': true, 'x-go-type': 'intstr.IntOrString' },
  any: { 'x-kubernetes-preserve-unknown-fields': true },
}

function parseType(type: string): Schema {
  if (type.startsWith('[]')) return { type: 'array', items: parseType(type.slice(2)) }
  if (type.startsWith('map[string]')) return { type: 'object', additionalProperties: parseType(type.slice(11)) }
  const scalar = scalars[type] ?? (type.includes('.') ? { type: 'string', 'x-go-type': type } : undefined)
  if (scalar === undefined) throw new Error(`no type "${type}"`)
  return scalar
}

/**
 * The schema of one Go struct.
 *
 * @param struct its name in Go, which decoding errors contain.
 * @param children fields that are structs, or lists of them.
 */
export function fields(struct: string, names: string, children: Record<string, Schema> = {}): Schema {
  const plain = names.split(/\s+/).filter((name) => name !== '')
  const properties = plain.map((field) => {
    const [name = '', type = 'string'] = field.split(':')
    return [name, parseType(type)] as const
  })
  return { type: 'object', 'x-go-type': `v1.${struct}`, properties: { ...Object.fromEntries(properties), ...children } }
}

export const list = (items: Schema): Schema => ({ type: 'array', items })

const owner = fields('OwnerReference', 'apiVersion kind name uid:types.UID controller:bool blockOwnerDeletion:bool')

/** The metadata of every object, custom ones too. */
export const metadataFields = fields(
  'ObjectMeta',
  `annotations:map[string]string creationTimestamp:time deletionGracePeriodSeconds:int64 deletionTimestamp:time
   finalizers:[]string generateName generation:int64 labels:map[string]string managedFields:any name namespace
   resourceVersion selfLink uid:types.UID`,
  { ownerReferences: list(owner) },
)

/** The schema of a built-in kind. */
export function objectFields(kind: string, names: string, children: Record<string, Schema> = {}): Schema {
  return fields(kind, `apiVersion kind ${names}`, { metadata: metadataFields, ...children })
}

export const labelSelector = fields('LabelSelector', 'matchLabels:map[string]string', {
  matchExpressions: list(fields('LabelSelectorRequirement', 'key operator:v1.LabelSelectorOperator values:[]string')),
})
