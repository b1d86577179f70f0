import { type ClassSpec, classParameters, retiredParameters } from '#azure/class'
import { recordOf, valueAt } from '#lib/formats'
import { fieldOfEntry } from '../finding-place.ts'
import type { ManifestSet } from '../manifest-set.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'
import { classFindings } from './class-rules.ts'

export const securityRules = {
  KL401: {
    title: 'file is open to every user',
    severity: 'warning',
    exception: 'info where others can only read',
    why: 'A filePermission with rights for others lets every process of the pod read the value.',
    right: 'rights for owner and group only, such as 0440 with fsGroup, or 0400 with fileOwner',
    check: openFile,
  },
  KL402: {
    title: 'node-wide identity',
    severity: 'warning',
    why: 'A managed identity of the node can be used by every pod of every namespace on it.',
    right: 'workload identity: each service account has an identity of its own',
    check: (set) => classFindings(set, 'node-identity'),
  },
  KL403: {
    title: 'volume overrides the class',
    severity: 'warning',
    why: 'Attributes of a volume replace parameters of the class: who reviews the class does not see what is read.',
    right: 'set the parameter in the class; the driver refuses overrides with --volume-attributes-win=false',
    check: overrides,
  },
  KL404: {
    title: 'credential in a class',
    severity: 'error',
    why: 'Everyone who may read classes reads their parameters, and the provider reads no credential from there.',
    right: 'remove it, change the credential, and use workload identity or nodePublishSecretRef',
    check: credentials,
  },
  KL405: {
    title: 'credential in a manifest',
    severity: 'warning',
    why: 'A client secret in a manifest is in the history of the repository.',
    right: 'create the Secret by other means, or use workload identity, which has no secret',
    check: manifestCredentials,
  },
} as const satisfies RuleTable

function* openFile({ classes }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, spec, texts } of classes)
    for (const { path, what, modes } of spec === undefined ? [] : modesOf(spec)) {
      const open = modes.find((one) => one !== undefined && (one & 0o007) !== 0)
      if (open === undefined) continue
      const text = open.toString(8).padStart(4, '0')
      yield {
        manifest,
        place: fieldOfEntry(texts, path, ['filePermission']),
        message: `filePermission ${text} of ${what} gives rights to every user`,
        // Reading is the default of upstream; writing and executing are mistakes.
        severity: (open & 0o003) === 0 ? 'info' : 'warning',
      }
    }
}

/** Entries of a class whose files have a mode of their own: what they are called, and all their modes. */
function modesOf({ objects, selects, templates }: ClassSpec) {
  return [
    ...objects.map(({ path, name, mode, extracts }) => ({
      path,
      what: `"${name}"`,
      modes: [mode, ...modes(extracts)],
    })),
    ...selects.map(({ path, fileName, mode, extracts }) => ({
      path,
      what: `the objects of ${path} (fileName ${fileName})`,
      modes: [mode, ...modes(extracts)],
    })),
    ...templates.map(({ path, fileName, mode }) => ({ path, what: `the template "${fileName}"`, modes: [mode] })),
  ]
}

function modes(extracts: readonly { mode?: number | undefined }[]): (number | undefined)[] {
  return extracts.map(({ mode }) => mode)
}

function* overrides({ pods }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, classVolumes } of pods)
    for (const { path, attributes, className } of classVolumes)
      for (const name of Object.keys(attributes))
        if (Object.hasOwn(classParameters, name))
          yield {
            manifest,
            path: [...path, 'csi', 'volumeAttributes', name],
            message: `the volume sets ${name}, and overrides the class "${className}"`,
          }
}

const secretName =
  /(client|app|account)?[-_.]?(secret|password|passwd|pwd|token|api[-_.]?key|access[-_.]?key|private[-_.]?key)$/i

function* credentials({ classes }: ManifestSet): Generator<RuleFinding> {
  for (const { manifest, provider, parameters } of classes) {
    if (provider !== 'azure') continue
    for (const [name, value] of parameters) {
      if (value.trim() === '' || Object.hasOwn(classParameters, name) || retiredParameters.includes(name)) continue
      if (secretName.test(name))
        yield {
          manifest,
          path: ['spec', 'parameters', name],
          message: `the parameter ${JSON.stringify(name)} looks like a credential`,
        }
    }
  }
}

function* manifestCredentials({ secrets }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of secrets) {
    for (const field of ['stringData', 'data'])
      for (const [key, value] of Object.entries(recordOf(valueAt(manifest.value, field)) ?? {})) {
        const isCredential = /^client(secret|certificate)$/i.test(key) && typeof value === 'string'
        // A placeholder is filled in before the manifest is applied.
        if (isCredential && value.trim() !== '' && !/[$<>{}[\]]/.test(value))
          yield { manifest, path: [field, key], message: `${field}.${key} holds a credential` }
      }
  }
}
