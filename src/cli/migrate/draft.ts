import type { Manifest } from '#azure/lint'
import { stringOf, valueAt } from '#lib/formats'
import {
  editManifest,
  type ListEntry,
  type ManifestChange,
  type PrintedManifest,
  printList,
  printManifests,
} from '../manifests/print-manifests.ts'
import type { Input } from './input.ts'
import { isName } from './is-name.ts'
import type { Work } from './work.ts'

/** A Secret that an object of the old tool makes, and the one that replaces it. */
export interface SecretPair {
  namespace: string
  old: string
  new: string
}

/** What one object of the input becomes. */
export interface Draft {
  work: Work
  /** How it came about, for the report. */
  how: 'converted' | 'changed' | 'unchanged'
  /** Text of the manifests. */
  documents: readonly (PrintedManifest | { text: string })[]
  /** Kind and name of each object in `documents`, to find two of one name. */
  makes: readonly { kind: string; name: string }[]
  secrets: readonly SecretPair[]
  /** Name of the class that pods can mount; undefined where the report does not suggest it. */
  volume?: string | undefined
  /** Other objects of the input that have to be converted, too. */
  needs?: readonly Manifest[] | undefined
  /** Ending of the file. Default: `.yaml`, which kubectl applies. */
  extension?: string | undefined
  /** What a service account has to allow: that this class makes Secrets with its identity. */
  consent?: { namespace: string; account: string; before: readonly string[]; className: string } | undefined
}

/** A class, and the Secret with its objects, in our terms. A key of the Secret is a file of the class. */
export interface WantedClass {
  /** Without suffix. */
  name: string
  namespace: string
  comment: string
  /** In the order in which they are written; empty ones are left out. */
  parameters: Readonly<Record<string, string>>
  objects: readonly ListEntry[]
  templates: readonly ListEntry[]
  /** Of the SecretSync. */
  account: string
  secret: WantedSecret
}

export interface WantedSecret {
  /** Without suffix. */
  name: string
  type: string
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
  data: readonly { sourcePath: string; targetKey: string }[]
  /** Whether the Secret has every file of the class, because nothing but the vault knows them. */
  everyFile: boolean
}

/** An object of the input that stays, with its comments, except for these fields. */
export function editedDraft(work: Work, changes: readonly ManifestChange[], more: Partial<Draft> = {}): Draft {
  const { manifest } = work
  const source = manifest.document?.replace(/^(?:---[^\n]*\n|\s*\n)+/, '').replace(/\n\.\.\.\s*$/, '\n')
  const text = editManifest(source ?? printManifests([{ object: manifest.value }]), changes)
  const makes = [{ kind: manifest.kind, name: manifest.name }]
  return {
    work,
    how: changes.length === 0 ? 'unchanged' : 'changed',
    documents: [{ text }],
    makes,
    secrets: [],
    ...more,
  }
}

/** The manifests of a class and its Secret, as the strategy asks for. */
export function draftOf(work: Work, wanted: WantedClass, { options, named }: Input): Draft {
  const { suffix, strategy } = options
  if (strategy !== 'files' && !isName(wanted.account)) work.add('KM004', 'the name of the service account is not valid')
  const [className, secretName] = [`${wanted.name}${suffix}`, `${wanted.secret.name}${suffix}`]
  const withSecret = strategy !== 'files'
  const ofClass = withSecret && wanted.secret.everyFile
  const documents = [
    { object: classObject(wanted, className, ofClass ? secretName : undefined), comment: wanted.comment },
  ]
  const makes = [{ kind: 'SecretProviderClass', name: className }]
  if (withSecret) makes.push({ kind: 'Secret', name: secretName })
  if (withSecret && !ofClass) documents.push({ object: syncObject(wanted, className, secretName), comment: '' })
  const { namespace } = wanted
  return {
    work,
    how: 'converted',
    documents,
    makes,
    secrets: withSecret ? [{ namespace, old: wanted.secret.name, new: secretName }] : [],
    volume: strategy === 'secrets' ? undefined : className,
    consent: ofClass ? { namespace, account: wanted.account, before: consentsOf(wanted, named), className } : undefined,
  }
}

/** Classes that the account of the input allows already. */
function consentsOf({ namespace, account }: WantedClass, named: Input['named']): string[] {
  const [found] = named('ServiceAccount', account, { namespace })
  const text = stringOf(valueAt(found?.value, 'metadata', 'annotations', 'keymount.dev/sync-classes')) ?? ''
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name === '*' || isName(name))
}

function metadataOf(name: string, namespace: string) {
  return namespace === '' ? { name } : { name, namespace }
}

export function classObject(
  wanted: WantedClass,
  name: string,
  secretName: string | undefined,
): Record<string, unknown> {
  const { namespace, parameters, objects, templates, account, secret } = wanted
  const given = Object.entries(parameters).filter(([, value]) => value !== '')
  const annotations = secretName === undefined ? {} : { annotations: { 'keymount.dev/sync-service-account': account } }
  const entry = {
    secretName,
    type: secret.type,
    ...mapping('labels', secret.labels),
    ...mapping('annotations', secret.annotations),
    data: [{ objectName: '*', key: '{file}' }],
  }
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { ...metadataOf(name, namespace), ...annotations },
    spec: {
      provider: 'azure',
      parameters: {
        ...Object.fromEntries(given),
        ...(secretName === undefined ? {} : { syncAll: 'true' }),
        objects: printList(objects),
        ...(templates.length === 0 ? {} : { templates: printList(templates) }),
      },
      ...(secretName === undefined ? {} : { secretObjects: [entry] }),
    },
  }
}

export function syncObject(
  wanted: Pick<WantedClass, 'namespace' | 'account' | 'secret'>,
  className: string,
  name: string,
): Record<string, unknown> {
  const { namespace, account, secret } = wanted
  return {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: metadataOf(name, namespace),
    spec: {
      secretProviderClassName: className,
      serviceAccountName: account,
      secretObject: {
        type: secret.type,
        ...mapping('labels', secret.labels),
        ...mapping('annotations', secret.annotations),
        data: secret.data,
      },
    },
  }
}

function mapping(name: string, texts: Readonly<Record<string, string>>) {
  return Object.keys(texts).length === 0 ? {} : { [name]: texts }
}
