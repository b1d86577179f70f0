import { type ClassManifest, filledIn, type PlacedFinding } from '../class-manifest.ts'
import { objectPlace } from '../finding-place.ts'
import type { ManifestSet } from '../manifest-set.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'

/** Findings of the class check, by what they are about. */
type Subject = 'class' | 'parameter' | 'objects-yaml' | 'object' | 'secret' | 'remark' | 'node-identity'

/** Rules that need the class's parameters and objects find nothing in a class that cannot be read. */
const uncheckedUntilFixed =
  '; until this is fixed, the files, file permissions, identity and number of reads of the class are not checked, nor compared with pods and SecretSyncs'

/** Findings of the class check about one subject. */
export function* classFindings({ classes }: ManifestSet, subject: Subject): Generator<RuleFinding> {
  for (const { manifest, findings, provider, spec } of classes) {
    const first =
      provider === 'azure' && spec === undefined ? findings.find(({ fails }) => fails === 'mount') : undefined
    for (const finding of findings) {
      if (subjectOf(finding) !== subject) continue
      const { path, message, line, column } = finding
      const shown = path === '' || path === 'spec.parameters' ? message : `${path}: ${message}`
      // The message has what was expected.
      yield {
        manifest,
        place: { line, column },
        message: finding === first ? shown + uncheckedUntilFixed : shown,
        right: '',
      }
    }
  }
}

function subjectOf({ fails, path, message }: PlacedFinding): Subject {
  if (fails === 'secret') return 'secret'
  if (fails === undefined)
    return path === 'spec.parameters.useVMManagedIdentity' && message.startsWith('signs in as the node')
      ? 'node-identity'
      : 'remark'
  if (!path.startsWith('spec.parameters') || message.includes('expected a text')) return 'class'
  if (/^(failed to yaml unmarshal objects|unmarshal failed for keyVaultObjects)/.test(message)) return 'objects-yaml'
  return /^spec\.parameters\.(objects|templates)/.test(path) || /\b(objects|templates)\[\d+\]|two objects/.test(message)
    ? 'object'
    : 'parameter'
}

export const classRules = {
  KL001: {
    title: 'class is not complete',
    severity: 'error',
    why: 'A class needs a provider and parameters, and every parameter is a text: Kubernetes refuses other types.',
    right: 'spec.provider: azure, and spec.parameters with texts only: put numbers and booleans in quotes',
    check: (set) => classFindings(set, 'class'),
  },
  KL002: {
    title: 'parameter is wrong',
    severity: 'error',
    why: 'The provider refuses the class, so no pod can mount it.',
    right: 'a parameter and value of docs/secretproviderclass.md',
    check: (set) => classFindings(set, 'parameter'),
  },
  KL003: {
    title: 'objects cannot be read',
    severity: 'error',
    why: '`objects` is a text that is YAML itself, usually with one more YAML text per entry. Its indentation is the most frequent mistake.',
    right: 'objects: | with "array:" and one "- |" block per object',
    check: (set) => classFindings(set, 'objects-yaml'),
  },
  KL004: {
    title: 'object is wrong',
    severity: 'error',
    why: 'The provider refuses the whole class because of one wrong entry.',
    right: 'objectName and objectType, and fields of docs/secretproviderclass.md',
    check: (set) => classFindings(set, 'object'),
  },
  KL005: {
    title: 'Secret of the class cannot be written',
    severity: 'error',
    why: 'The pod starts, and the Kubernetes Secret of `secretObjects` is missing or incomplete.',
    right: 'objectName is the objectAlias of an object, or its objectName where it has none',
    check: (set) => classFindings(set, 'secret'),
  },
  KL006: {
    title: 'parameter has no effect',
    severity: 'info',
    why: 'The class works, but probably not as its author meant.',
    right: 'remove the parameter, or set what it needs',
    check: (set) => classFindings(set, 'remark'),
  },
  KL007: {
    title: 'deprecated parameter or version',
    severity: 'warning',
    exception: 'info for the earlier spelling of a parameter',
    why: 'AAD Pod Identity is retired, and `v1alpha1` of the class is deprecated upstream.',
    right: 'clientID for workload identity; tenantID; apiVersion secrets-store.csi.x-k8s.io/v1',
    check: deprecated,
  },
  KL008: {
    title: 'object is listed twice',
    severity: 'warning',
    why: 'The same object in the same file is read twice for nothing; often another name was meant.',
    right: 'one entry per object and file',
    check: listedTwice,
  },
  KL009: {
    title: 'version is pinned',
    severity: 'info',
    why: 'An object with `objectVersion` never changes: rotation in the vault does not reach the pod.',
    right: 'leave objectVersion out, unless the pod must keep this version',
    check: pinned,
  },
  KL010: {
    title: 'private key from a key or certificate',
    severity: 'warning',
    why: 'objectType `key` gives the public key and `cert` the certificate alone. The private key of a certificate comes with objectType `secret`.',
    right: 'objectType: secret',
    check: keyNames,
  },
  KL011: {
    title: 'key is defined twice',
    severity: 'warning',
    why: 'kubectl keeps the last one silently; other tools refuse the file.',
    right: 'each key once',
    // Found while the file is read: see lintManifests.
    check: () => [],
  },
  KL012: {
    title: 'class is defined twice',
    severity: 'warning',
    why: 'The one that is applied last replaces the other.',
    right: 'one class of each name per namespace',
    check: definedTwice,
  },
} as const satisfies RuleTable

function* deprecated(set: ManifestSet): Generator<RuleFinding> {
  for (const { manifest } of set.classes)
    if (manifest.apiVersion === 'secrets-store.csi.x-k8s.io/v1alpha1')
      yield {
        manifest,
        path: ['apiVersion'],
        message: 'apiVersion v1alpha1 is deprecated',
        right: 'secrets-store.csi.x-k8s.io/v1',
      }
  for (const { manifest, parameters, spec } of azureClasses(set)) {
    const at = (name: string) => ({ manifest, path: ['spec', 'parameters', name] })
    if (spec?.identity.signIn === 'pod-identity')
      yield {
        ...at('usePodIdentity'),
        message: 'signs in by AAD Pod Identity, which is retired',
        right:
          'workload identity: clientID, or the annotation azure.workload.identity/client-id of the service account',
      }
    if ((parameters.get('tenantId') ?? '') !== '' && (parameters.get('tenantID') ?? '') === '')
      yield { ...at('tenantId'), message: 'tenantId is the earlier spelling', right: 'tenantID', severity: 'info' }
  }
}

function azureClasses({ classes }: ManifestSet): ClassManifest[] {
  return classes.filter(({ provider }) => provider === 'azure')
}

function* listedTwice(set: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, spec, texts } of azureClasses(set)) {
    const first = new Map<string, number>()
    for (const [index, object] of (spec?.objects ?? []).entries()) {
      const text = JSON.stringify({ ...object, path: '' })
      if (text.includes(filledIn)) continue
      const earlier = first.get(text)
      first.set(text, earlier ?? index)
      if (earlier === undefined) continue
      const message = `${object.type} "${object.name}" is objects[${earlier}] already`
      yield { manifest, place: objectPlace(texts, indexOf(object.path, index), []), message }
    }
  }
}

function* pinned(set: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, spec, texts } of azureClasses(set))
    for (const [index, { path, type, name, version }] of (spec?.objects ?? []).entries())
      if (version !== '' && version !== filledIn)
        yield {
          manifest,
          place: objectPlace(texts, indexOf(path, index), ['objectVersion']),
          message: `${type} "${name}" is pinned to a version, and is never rotated`,
        }
}

function* keyNames(set: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, spec, texts } of azureClasses(set))
    for (const [index, { path, type, name, fileName }] of (spec?.objects ?? []).entries()) {
      if (type === 'secret' || !/(^|\/)tls\.key$|private[-_.]?key|\.(key|pfx|p12)$/i.test(fileName)) continue
      const what = type === 'key' ? 'the public key' : 'the certificate without its key'
      yield {
        manifest,
        place: objectPlace(texts, indexOf(path, index), ['objectType']),
        message: `objectType ${type} of "${name}" gives ${what}, and the file is named "${fileName}"`,
      }
    }
}

/** `objects[2]` → 2 */
function indexOf(path: string, otherwise: number): number {
  return Number(/\d+/.exec(path)?.[0] ?? otherwise)
}

function* definedTwice({ classes }: ManifestSet): Generator<RuleFinding> {
  const first = new Map<string, ClassManifest>()
  for (const one of classes) {
    const { file, namespace, name } = one.manifest
    // Overlays define a class again, in another file.
    const key = `${file}\n${namespace}\n${name}`
    if (name !== '' && first.has(key))
      yield {
        manifest: one.manifest,
        path: ['metadata', 'name'],
        message: `SecretProviderClass "${name}" is defined in line ${first.get(key)?.manifest.placeOf([]).line ?? 1} already`,
      }
    else first.set(key, one)
  }
}
