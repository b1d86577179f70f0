import { classFiles, namedFiles } from '#azure/class'
import { fallbackSecretKey, isTlsKey, refusedSecretTypes, tlsSecretType } from '#kubernetes/client'
import { nearestName } from '#lib'
import { listOf, stringOf, valueAt } from '#lib/formats'
import { filledIn, hasPlaceholder } from '../class-manifest.ts'
import type { MadeSecret } from '../made-secrets.ts'
import type { ManifestSet, SecretUse } from '../manifest-set.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'

export const syncRules = {
  KL201: {
    title: 'key is not in the Secret',
    severity: 'error',
    why: 'The class or SecretSync makes the Secret without this key, so the container does not start (CreateContainerConfigError).',
    right: 'a key of the Secret',
    check: missingKey,
  },
  KL202: {
    title: 'Secret without a volume',
    severity: 'error',
    exception: 'warning where another pod of the input mounts the class',
    why: 'A Secret of `secretObjects` exists only while a pod mounts the class. A pod that reads the Secret without mounting the class waits for it.',
    right: 'mount the class in the same pod, or make the Secret by a SecretSync, which needs no pod',
    check: withoutVolume,
  },
  KL203: {
    title: 'Secret type is not allowed',
    severity: 'error',
    why: 'Kubernetes gives Secrets of these types rights: a vault’s content must not become a token. Neither driver nor sync controller writes them.',
    right: 'Opaque, or the type that the application needs',
    check: refusedType,
  },
  KL204: {
    title: 'fallback Secret has no source',
    severity: 'warning',
    why: 'The provider reads `fallbackSecretName` when the vault does not answer. The Secret has to exist by then: usually a SecretSync makes it.',
    right: 'a SecretSync of the name of fallbackSecretName',
    check: fallbackSecret,
  },
  KL205: {
    title: 'class of the SecretSync is missing',
    severity: 'warning',
    exception: 'error where the SecretSync names none',
    why: 'The sync controller makes no Secret until the class is in the namespace.',
    right: 'a SecretProviderClass of this name in the namespace of the SecretSync',
    check: missingSyncClass,
  },
  KL206: {
    title: 'sourcePath is not a file of the class',
    severity: 'error',
    why: 'The sync controller cannot find the value, and writes no Secret.',
    right: 'the objectAlias of an object of the class, or its objectName where it has none',
    check: missingSource,
  },
  KL207: {
    title: 'two sources for one Secret',
    severity: 'error',
    why: 'Each would overwrite the other; Keymount refuses the second one.',
    right: 'one entry of secretObjects, or one SecretSync, for each Secret',
    check: twoSources,
  },
  KL208: {
    title: 'TLS Secret is incomplete',
    severity: 'error',
    why: 'Kubernetes refuses a Secret of type kubernetes.io/tls without tls.crt and tls.key.',
    right: 'data with the keys tls.crt and tls.key',
    check: incompleteTls,
  },
  KL209: {
    title: 'Secret is in the input, too',
    severity: 'error',
    why: 'Keymount does not take over a Secret that something else has made: it stays as it is.',
    right: 'remove the Secret from the manifests, or choose another name',
    check: foreignSecret,
  },
  KL210: {
    title: 'SecretSync without service account',
    severity: 'error',
    why: 'The objects are read with the identity of this service account.',
    right: 'spec.serviceAccountName: an account of the namespace',
    check: syncAccount,
  },
  KL211: {
    title: 'environment is not updated',
    severity: 'info',
    why: 'Environment variables keep the value with which the container started.',
    right: 'the annotation keymount.dev/restart-on-rotation, or read the file of the volume',
    check: staleEnvironment,
  },
  KL212: {
    title: 'name of the Secret is not valid',
    severity: 'error',
    why: 'Kubernetes refuses a Secret of this name.',
    right: 'lower case letters, digits, "-" and ".", at most 253',
    check: invalidName,
  },
  KL213: {
    title: 'fallback Secret lacks files',
    severity: 'error',
    why: 'The driver fills a volume from `fallbackSecretName` only if the Secret has every file of the class; otherwise the pod does not start while the vault does not answer.',
    right: 'a targetKey for each file of the class: its path with "." for "/"',
    check: incompleteFallback,
  },
} as const satisfies RuleTable

function* missingKey(set: ManifestSet): Generator<RuleFinding> {
  for (const use of set.uses) {
    const sources = madeFor(set, use).filter(({ keys }) => keys.length > 0)
    const keys = sources.flatMap((one) => one.keys)
    if (sources.length === 0) continue
    for (const { key, path } of use.keys) {
      if (keys.includes(key)) continue
      const near = nearestName(key, keys)
      const hint = near === undefined ? `it has ${keys.slice(0, 20).join(', ')}` : `did you mean ${near}?`
      yield { manifest: use.manifest, path, message: `Secret "${use.name}" has no key "${key}" (${hint})` }
    }
  }
}

function madeFor({ madeNamed }: ManifestSet, { manifest, name }: SecretUse): readonly MadeSecret[] {
  return madeNamed(name, manifest)
}

function* withoutVolume(set: ManifestSet): Generator<RuleFinding> {
  for (const use of set.uses) {
    const sources = madeFor(set, use)
    const [first] = sources
    if (first === undefined || sources.some(({ by }) => by === 'sync')) continue
    if (set.secretNamed(use.name, use.manifest).length > 0) continue
    const classNames = sources.map(({ className }) => className)
    if (use.pod?.classVolumes.some(({ className }) => classNames.includes(className)) === true) continue
    const [other] = classNames.flatMap((name) => set.podsMounting(name, use.manifest))
    const reads = `reads the Secret "${use.name}" of the class "${first.className}"`
    yield other === undefined
      ? { manifest: use.manifest, path: use.path, message: `${reads}, and no pod of the input mounts the class` }
      : {
          manifest: use.manifest,
          path: use.path,
          message: `${reads}, which only ${other.manifest.kind} "${other.manifest.name}" mounts: without its pods there is no Secret`,
          severity: 'warning',
        }
  }
}

function* refusedType({ syncs, made }: ManifestSet): Generator<RuleFinding> {
  // Those of classes are findings of the class check.
  for (const { manifest, by, type, path } of made)
    if (by === 'sync' && syncs.includes(manifest) && refusedSecretTypes.has(type))
      yield { manifest, path: [...path, 'type'], message: `the Secret has the type ${type}` }
}

function* fallbackSecret({ classes, madeNamed, secretNamed }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, parameters } of classes) {
    const name = parameters.get('fallbackSecretName')?.trim() ?? ''
    if (name === '') continue
    const sources = madeNamed(name, manifest)
    if (secretNamed(name, manifest).length > 0 || sources.some(({ by }) => by === 'sync')) continue
    const path = ['spec', 'parameters', 'fallbackSecretName']
    const of = sources.length === 0 ? 'nothing in the input makes it' : 'only pods that mount a class make it'
    yield { manifest, path, message: `fallbackSecretName is "${name}", and ${of}` }
  }
}

function* incompleteFallback({ classes, madeNamed }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, spec } of classes) {
    const name = spec?.values.fallbackSecretName.trim() ?? ''
    if (spec === undefined || name === '') continue
    const wanted = namedFiles(spec).filter(({ path, optional }) => !optional && !path.includes(filledIn))
    for (const { manifest: sync, by, path, keys } of madeNamed(name, manifest)) {
      if (by !== 'sync' || keys.length === 0 || keys.some(hasPlaceholder)) continue
      const present = new Set(keys)
      const missing = wanted.filter((file) => !present.has(fallbackSecretKey(file.path)))
      if (missing.length === 0) continue
      const named = missing.slice(0, 5).map((file) => `"${fallbackSecretKey(file.path)}" (file "${file.path}")`)
      const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : ''
      const message = `class "${manifest.name}" has this Secret as fallbackSecretName, and it lacks the key ${named.join(', ')}${more}`
      yield { manifest: sync, path: [...path, 'data'], message }
    }
  }
}

function* missingSyncClass({ syncs, classes, classNamed }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of syncs) {
    const name = classNameOf(manifest)
    const path = ['spec', 'secretProviderClassName']
    if (name === '') yield { manifest, path, message: 'spec.secretProviderClassName is missing', severity: 'error' }
    else if (classNamed(name, manifest).length === 0) {
      const near = nearestName(
        name,
        classes.map((one) => one.manifest.name),
      )
      const hint = near === undefined ? '' : ` (did you mean ${near}?)`
      yield { manifest, path, message: `SecretProviderClass "${name}" is not in the input${hint}` }
    }
  }
}

function classNameOf(sync: { value: unknown }): string {
  return stringOf(valueAt(sync.value, 'spec', 'secretProviderClassName')) ?? ''
}

function* missingSource({ syncs, classNamed }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of syncs) {
    const found = classNamed(classNameOf(manifest), manifest)
    const files = found.flatMap(({ spec }) => (spec === undefined ? [] : [classFiles(spec)]))
    if (files.length === 0) continue
    for (const [index, row] of (listOf(valueAt(manifest.value, 'spec', 'secretObject', 'data')) ?? []).entries()) {
      const source = stringOf(valueAt(row, 'sourcePath'))?.trim() ?? ''
      // The controller splits certificates under these names.
      const file = source.replace(/\/tls\.(crt|key)$/, '')
      if (files.some((one) => one.open || one.has(source) || one.has(file))) continue
      const names = files.flatMap((one) => one.names)
      const near = nearestName(file, names)
      const hint = near === undefined ? `the class has ${names.slice(0, 20).join(', ')}` : `did you mean ${near}?`
      const path = ['spec', 'secretObject', 'data', index, 'sourcePath']
      yield { manifest, path, message: `"${source}" is not a file of the class (${hint})` }
    }
  }
}

function* twoSources({ made, madeNamed }: ManifestSet): Generator<RuleFinding> {
  const before = new Set<MadeSecret>()
  for (const one of made) {
    const first = madeNamed(one.name, one.manifest).find(
      (other) =>
        before.has(other) &&
        // Twice in one class is a finding of the class check, and one object in two files an overlay.
        (other.by !== one.by || other.manifest.name !== one.manifest.name),
    )
    before.add(one)
    if (first === undefined) continue
    const path = one.by === 'sync' ? ['metadata', 'name'] : [...one.path, 'secretName']
    const what = `${first.manifest.kind} "${first.manifest.name}" (${first.manifest.file}) makes the Secret "${one.name}", too`
    yield { manifest: one.manifest, path, message: what }
  }
}

function* incompleteTls({ made }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, path, type, keys, by } of made) {
    if (type !== tlsSecretType || keys.length === 0) continue
    const missing = ['tls.crt', 'tls.key'].filter((key) => !keys.includes(key))
    const wrong = keys.filter((key) => !isTlsKey(key))
    // A wrong key of a class is a finding of the class check.
    if (missing.length > 0 && (by === 'sync' || wrong.length === 0))
      yield { manifest, path: [...path, 'data'], message: `a Secret of type ${type} lacks ${missing.join(' and ')}` }
  }
}

function* foreignSecret({ made, secretNamed }: ManifestSet): Generator<RuleFinding> {
  for (const one of made) {
    const [other] = secretNamed(one.name, one.manifest)
    if (other === undefined) continue
    const { kind, name } = one.manifest
    yield { manifest: other, path: ['metadata', 'name'], message: `${kind} "${name}" makes a Secret of this name` }
  }
}

function* syncAccount({ syncs }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of syncs)
    if ((stringOf(valueAt(manifest.value, 'spec', 'serviceAccountName')) ?? '') === '')
      yield { manifest, path: ['spec', 'serviceAccountName'], message: 'spec.serviceAccountName is missing' }
}

const restartAnnotation = /^keymount\.dev\/restart-on-rotation$|reloader\.stakater\.com\//

function* staleEnvironment(set: ManifestSet): Generator<RuleFinding> {
  const reported = new Set<unknown>()
  for (const use of set.uses) {
    const { pod } = use
    if (pod === undefined || use.as !== 'environment' || reported.has(pod) || madeFor(set, use).length === 0) continue
    if (pod.manifest.kind === 'Pod' || pod.manifest.kind === 'Job' || pod.manifest.kind === 'CronJob') continue
    const own = valueAt(pod.manifest.value, 'metadata', 'annotations')
    const names = [...Object.keys(own ?? {}), ...Object.keys(pod.annotations)]
    if (names.some((name) => restartAnnotation.test(name))) continue
    reported.add(pod)
    const message = `reads the Secret "${use.name}" as environment variables, which do not change after a rotation`
    yield { manifest: use.manifest, path: use.path, message }
  }
}

function* invalidName({ made }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, by, name, path } of made) {
    const isValid = name.length <= 253 && name.split('.').every((part) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(part))
    if (isValid || by === 'sync' || hasPlaceholder(name)) continue
    yield {
      manifest,
      path: [...path, 'secretName'],
      message: `the Secret has the name ${JSON.stringify(name.slice(0, 260))}`,
    }
  }
}
