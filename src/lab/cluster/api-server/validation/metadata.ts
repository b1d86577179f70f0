import { badRequest, type Causes } from '../api-error.ts'
import { type ApiObject, recordsAt, textAt } from '../api-object.ts'
import { checkName, labelValue, type NameRule, qualifiedName } from './names.ts'

const maxAnnotationBytes = 256 * 1024

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ */
export function validateMetadata(causes: Causes, { metadata }: ApiObject, nameRule: NameRule): void {
  const { name, generateName, labels = {}, annotations = {} } = metadata
  // The random suffix makes the rest of a prefix that ends with a dash valid.
  if (generateName)
    checkName(causes, 'metadata.generateName', generateName, (text) => nameRule(text.replace(/-$/, 'a')))
  checkName(causes, 'metadata.name', name, nameRule)
  validateOwners(causes, metadata)
  validateFinalizers(causes, metadata.finalizers ?? [])
  validateLabels(causes, 'metadata.labels', labels)
  // Their prefixes may have capitals.
  for (const key of Object.keys(annotations))
    checkName(causes, 'metadata.annotations', key.toLowerCase(), qualifiedName)
  const bytes = Object.entries(annotations).reduce((sum, entry) => sum + Buffer.byteLength(entry.join('')), 0)
  if (bytes > maxAnnotationBytes) causes.tooLong('metadata.annotations', maxAnnotationBytes)
}

export function validateLabels(causes: Causes, field: string, labels: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(labels)) {
    checkName(causes, field, key, qualifiedName)
    checkName(causes, field, value, labelValue)
  }
}

function validateOwners(causes: Causes, metadata: ApiObject['metadata']): void {
  const field = 'metadata.ownerReferences'
  const owners = recordsAt(metadata, 'ownerReferences')
  for (const owner of owners) {
    const [apiVersion, kind] = [textAt(owner, 'apiVersion'), textAt(owner, 'kind')]
    const parts = apiVersion.split('/')
    if (parts.length > 2 || (parts.at(-1) ?? '') === '') {
      causes.invalid(`${field}.apiVersion`, apiVersion, 'version must not be empty')
    }
    for (const name of ['kind', 'name', 'uid']) {
      if (textAt(owner, name) === '') causes.invalid(`${field}.${name}`, '', 'must not be empty')
    }
    if (apiVersion === 'v1' && kind === 'Event') {
      causes.invalid(field, owner, '/v1, Kind=Event is disallowed from being an owner')
    }
  }
  const [first, second] = owners.filter(({ controller }) => controller === true)
  if (first !== undefined && second !== undefined) {
    const names = [first, second].map((owner) => `${textAt(owner, 'kind')}/${textAt(owner, 'name')}`).join(' and ')
    const why = `Only one reference can have Controller set to true. Found "true" in references for ${names}`
    causes.invalid(field, owners, why)
  }
}

function validateFinalizers(causes: Causes, finalizers: readonly string[]): void {
  const field = 'metadata.finalizers'
  for (const finalizer of finalizers) checkName(causes, field, finalizer, qualifiedName)
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    causes.invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set')
  }
}

/** A further rule for the kinds of the core group: a finalizer without a domain must be one of Kubernetes' own. */
export function validateCoreFinalizers(causes: Causes, { metadata }: ApiObject): void {
  for (const [index, finalizer] of (metadata.finalizers ?? []).entries()) {
    if (finalizer.includes('/') || ['kubernetes', 'orphan', 'foregroundDeletion'].includes(finalizer)) continue
    const why = 'name is neither a standard finalizer name nor is it fully qualified'
    causes.invalid(`metadata.finalizers[${index}]`, finalizer, why)
  }
}

/** The error for a body that is not an object of its kind. */
export function undecodable({ apiVersion, kind }: { apiVersion: string; kind: string }, why: string) {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1)
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`)
}
