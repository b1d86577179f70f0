import { basename } from 'node:path'
import { parse, type Tags } from 'yaml'
import type { Manifest, Otherwise, Path } from '#azure/lint'
import { recordOf, valueAt } from '#lib/formats'
import { oneLine } from '#terminal'
import { printManifests } from '../../manifests/print-manifests.ts'
import type { Draft } from '../draft.ts'
import type { MigrateRules } from '../rule.ts'
import type { Work } from '../work.ts'
import {
  akv2k8sValues,
  driverValues,
  externalSecretsValues,
  Gone,
  providerValues,
  type ValueTable,
  webhookValues,
} from './value-tables.ts'

export const valuesRules = {
  KM602: {
    title: 'values work as they are',
    severity: 'info',
    why: 'Keymount has a chart of the same name, which accepts the values of upstream’s: an upgrade then keeps the names of the release.',
    right: 'helm upgrade with that chart (docs/migrate.md), or with charts/keymount and the file that is written here',
  },
  KM603: {
    title: 'value has no counterpart',
    severity: 'warning',
    why: 'charts/keymount has no such value, and refuses names that it does not know: the value is left out.',
    right: 'see the tables of docs/migrate.md',
  },
  KM604: {
    title: 'rotation is on',
    severity: 'info',
    why: 'The file does not set enableSecretRotation, which is off by default in upstream’s chart and on in charts/keymount.',
    right: 'enableSecretRotation: false, if pods shall keep the values that they started with',
  },
} as const satisfies MigrateRules

const kind = 'HelmValues'
const timestamp = 'tag:yaml.org,2002:timestamp'
const group = 'helm.keymount.dev/'

const tables = {
  'secrets-store-csi-driver': driverValues,
  'csi-secrets-store-provider-azure': providerValues,
  'workload-identity-webhook': webhookValues,
  'external-secrets': externalSecretsValues,
  akv2k8s: akv2k8sValues,
} as const satisfies Readonly<Record<string, ValueTable>>

type Chart = keyof typeof tables

/** Those that Keymount has a chart of the same name for, which takes the values as they are. */
const served: readonly Chart[] = ['csi-secrets-store-provider-azure', 'workload-identity-webhook']
/** Those whose driver leaves mounted files as they are, unless rotation is on. */
const withDriver: readonly Chart[] = ['secrets-store-csi-driver', 'csi-secrets-store-provider-azure']
/** Those that make Secrets without a pod. */
const withSync: readonly Chart[] = ['external-secrets', 'akv2k8s']

/** A values file of an upstream chart as an object that can be converted; undefined for every other document. */
export function upstreamValues(value: Record<string, unknown>, file: string): ReturnType<Otherwise> {
  const chart = chartOf(value)
  if (chart === undefined) return undefined
  const name = basename(file)
    .toLowerCase()
    .replace(/\.[a-z]+$/, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60)
  return { apiVersion: `${group}${chart}`, kind, name: name.replace(/-+$/, '') || 'values' }
}

/** Values that charts/keymount has and no upstream chart. */
const oursOnly = ['provider', 'combined', 'webhook', 'sync', 'operator', 'policies', 'proxySettings', 'podIdentity']

const ofExternalSecrets = [
  ...['certController', 'bitwarden-sdk-server', 'controllerClass', 'scopedNamespace', 'extendedMetricLabels'],
  ...['processClusterExternalSecret', 'processClusterStore', 'processPushSecret', 'webhook.certCheckInterval'],
  ...['crds.createClusterExternalSecret', 'crds.createClusterSecretStore'],
]
const ofAkv2k8s = ['env_injector', 'global.keyVaultAuth', 'controller.keyVaultAuth', 'addAzurePodIdentityException']

/** Values that only one of the charts has. */
function chartOf(value: Record<string, unknown>): Chart | undefined {
  const has = (...paths: string[]) => paths.some((path) => valueAt(value, ...path.split('.')) !== undefined)
  // Before ours: its webhook has the name of ours.
  if (has(...ofExternalSecrets)) return 'external-secrets'
  if (has(...ofAkv2k8s)) return 'akv2k8s'
  if (has(...oursOnly) || recordOf(value.driver)?.install !== undefined) return undefined
  if (has('azureTenantID', 'mutatingWebhookNamespaceSelector', 'mutatingWebhookAnnotations')) {
    return 'workload-identity-webhook'
  }
  const ofProvider = [
    'constructPEMChain',
    'writeCertAndKeyInSeparateFiles',
    'enableArcExtension',
    'Azure.proxySettings',
  ]
  const ofDaemon = ['healthzPort', 'healthzPath', 'healthzTimeout', 'customUserAgent']
  if (recordOf(value['secrets-store-csi-driver']) !== undefined || has(...ofProvider, ...below(ofDaemon))) {
    return 'csi-secrets-store-provider-azure'
  }
  const ofDriver = [
    'syncSecret',
    'enableSecretRotation',
    'rotationPollInterval',
    'filteredWatchSecret',
    'tokenRequests',
  ]
  const ofSidecars = ['registrarImage', 'livenessProbeImage', 'registrar', 'driver.resources', 'crds']
  return has(...ofDriver, ...below(ofSidecars)) ? 'secrets-store-csi-driver' : undefined
}

function below(names: readonly string[]): string[] {
  return ['linux', 'windows'].flatMap((os) => names.map((name) => `${os}.${name}`))
}

export function isUpstreamValues(manifest: Manifest): boolean {
  return manifest.kind === kind && manifest.apiVersion.startsWith(group)
}

/** Whether they are values of a chart whose release has to be uninstalled before charts/keymount is installed. */
export function isReplacedChart({ apiVersion }: Manifest): boolean {
  return [...withDriver, ...served].some((chart) => apiVersion === `${group}${chart}`)
}

/** Values of charts/keymount that mean the same. */
export function convertValues(work: Work): Draft {
  const { apiVersion, file } = work.manifest
  const chart = apiVersion.slice(group.length) as Chart
  const ours: Record<string, unknown> = {}
  if (chart === 'workload-identity-webhook') {
    set(ours, 'driver.install', false)
    set(ours, 'provider.install', false)
    set(ours, 'webhook.enabled', true)
  }
  if (withSync.includes(chart)) set(ours, 'sync.enabled', true)
  const value = namespaceInList(proxiesInUse(valuesOf(work.manifest)))
  translate(work, { value, table: tables[chart], path: [], ours })
  if (value.watchAllNamespaces === false)
    work.add(
      'KM603',
      'watchAllNamespaces is false, and the controller of charts/keymount makes Secrets in all namespaces',
      {
        path: ['watchAllNamespaces'],
        right: 'sync.namespaces: [NAMESPACE of the release of akv2k8s]',
      },
    )
  fitBudget(ours)
  if (withDriver.includes(chart) && ours.enableSecretRotation === undefined)
    work.add('KM604', 'rotation is on with charts/keymount, unless enableSecretRotation is false')
  if (served.includes(chart))
    work.add('KM602', `the file works unchanged with Keymount’s chart ${chart} (keymount charts serve)`)
  const comment = [
    `Values of charts/keymount that mean what ${oneLine(basename(file))} means to the chart ${chart}:`,
    ...(isReplacedChart(work.manifest) ? ['after helm uninstall of the old release (docs/migrate.md):'] : []),
    'helm upgrade --install keymount charts/keymount -n kube-system -f THIS_FILE',
  ].join('\n')
  const text = printManifests([{ object: ours, comment }])
  return { work, how: 'converted', documents: [{ text }], makes: [], secrets: [], extension: '.values' }
}

/** As helm reads them: in YAML 1.1, `on` and `yes` are true, and `<<` merges, but a time (1:30, 2026-01-02) is a text. */
function valuesOf({ document, value }: Manifest): Record<string, unknown> {
  const options = { version: '1.1', logLevel: 'silent', customTags: withoutTimes } as const
  try {
    return recordOf(parse(document ?? '', options)) ?? value
  } catch {
    return value
  }
}

function withoutTimes(tags: Tags): Tags {
  return tags.filter(
    (tag) => typeof tag !== 'object' || (!('format' in tag && tag.format === 'TIME') && tag.tag !== timestamp),
  )
}

/** Upstream’s chart ignores the proxy unless it is switched on. */
function proxiesInUse(value: Record<string, unknown>): Record<string, unknown> {
  const azure = recordOf(value.Azure)
  const proxy = recordOf(azure?.proxySettings)
  if (azure === undefined || proxy === undefined) return value
  const { isProxyEnabled, ...settings } = proxy
  return { ...value, Azure: { ...azure, proxySettings: isProxyEnabled === true ? settings : {} } }
}

/** The operator of External Secrets has one namespace or all. */
function namespaceInList(value: Record<string, unknown>): Record<string, unknown> {
  const { scopedNamespace: name } = value
  return typeof name === 'string' ? { ...value, scopedNamespace: name === '' ? null : [name] } : value
}

interface Translation {
  value: Record<string, unknown>
  table: ValueTable
  path: Path
  ours: Record<string, unknown>
}

function translate(work: Work, { value, table, path, ours }: Translation): void {
  for (const [name, one] of Object.entries(value)) {
    const at = [...path, name]
    const to = Object.hasOwn(table, name) ? table[name] : undefined
    if (typeof to === 'string') {
      if (one !== null && one !== undefined) set(ours, to, one)
      continue
    }
    const inner = recordOf(one)
    if (to !== undefined && !(to instanceof Gone) && inner !== undefined) {
      translate(work, { value: inner, table: to, path: at, ours })
      continue
    }
    // A copy of all defaults has many values that ask for nothing.
    if (isNothing(one)) continue
    const right = to instanceof Gone ? to.right : undefined
    const field = at.join('.').slice(0, 120)
    work.add('KM603', `${field} has no counterpart in charts/keymount`, { path: at, right })
  }
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return true
  return typeof value === 'object' && Object.values(value).every(isNothing)
}

/** A budget has one of the two, and helm merges ours with the default of the chart. */
function fitBudget(ours: Record<string, unknown>): void {
  const budget = recordOf(valueAt(ours, 'webhook', 'podDisruptionBudget'))
  if (budget?.maxUnavailable !== undefined && budget.maxUnavailable !== null) budget.minAvailable = null
}

function set(ours: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop() ?? ''
  let at = ours
  for (const name of names) {
    const next = recordOf(at[name]) ?? {}
    at[name] = next
    at = next
  }
  at[last] = value
}
