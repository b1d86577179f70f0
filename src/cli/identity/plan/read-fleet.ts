import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { type LintFile, lintLimits, type Manifest, manifestSet, readManifests } from '#azure/lint'
import { beyondLimit, errorMessage, Problems } from '#lib'
import { listOf, recordOf, stringOf } from '#lib/formats'
import { CliError, type CliWorld } from '#terminal'
import { withCluster } from '../../cluster/open-cluster.ts'
import { readInput } from '../../lint/read-input.ts'
import type { ClusterOption } from '../../options.ts'
import { askIssuer } from '../cluster-issuer.ts'
import { accountUses } from './account-uses.ts'
import { clusterManifests } from './cluster-manifests.ts'
import type { FleetCluster } from './identity-plan.ts'
import { planLimits } from './plan-limits.ts'

export interface FleetOptions {
  paths: readonly string[]
  /** Reads the cluster of the kubeconfig instead of files. */
  fromCluster: boolean
  /** File that lists the clusters. */
  fleetFile: string | undefined
  issuer: string | undefined
  aks: string | undefined
  /** Of manifests that name none. */
  namespace: string
  helm: boolean
  kustomize: boolean
  values: readonly string[]
  cluster: ClusterOption
  world: CliWorld
}

export interface Fleet {
  clusters: readonly FleetCluster[]
  /** What could not be planned, and why. */
  problems: readonly string[]
}

/** A cluster as the command line or the file of the fleet describes it. */
interface NamedCluster extends Pick<FleetCluster, 'name' | 'issuer' | 'aks' | 'context'> {
  /** Besides those that are for all clusters. */
  paths: readonly string[]
}

/** The clusters and what their manifests use. Throws {@link CliError} and `ProblemsError` for input that cannot be used. */
export async function readFleet(options: FleetOptions): Promise<Fleet> {
  const { fromCluster, paths, fleetFile } = options
  if (fromCluster && (paths.length > 0 || fleetFile !== undefined))
    throw usage('--cluster reads the cluster of the kubeconfig, and no files', 'name either files or --cluster')
  return fromCluster ? fleetOfCluster(options) : fleetOfFiles(options)
}

async function fleetOfCluster({ issuer: given, aks, namespace, cluster, world }: FleetOptions): Promise<Fleet> {
  return withCluster(cluster, world, async ({ kube }) => {
    const asked = given === undefined ? await askIssuer((path) => kube.raw({ method: 'GET', path })) : { value: given }
    if ('why' in asked)
      throw new CliError({
        what: 'the issuer of the cluster’s service account tokens is not known',
        why: asked.why,
        fix: ['name it: --issuer URL'],
      })
    const one = checked({ name: 'cluster', issuer: asked.value, aks, context: undefined, paths: [] })
    const found = manifestsOf(await clusterManifests(kube, world.signal))
    return fleetOf([{ ...one, ...found }], namespace)
  })
}

async function fleetOfFiles(options: FleetOptions): Promise<Fleet> {
  const { paths, fleetFile, namespace } = options
  const named = fleetFile === undefined ? [oneCluster(options)] : readFleetFile(fleetFile)
  if (paths.length === 0 && named.every((one) => one.paths.length === 0))
    throw usage('no manifests are named', 'name files or directories, or --cluster')
  const shared = manifestsOf((await filesAt(paths, options)).files)
  const clusters: ReadCluster[] = []
  for (const one of named) {
    const own = one.paths.length === 0 ? undefined : manifestsOf((await filesAt(one.paths, options)).files)
    clusters.push({
      ...one,
      manifests: [...shared.manifests, ...(own?.manifests ?? [])],
      unreadable: [...shared.unreadable, ...(own?.unreadable ?? [])],
    })
  }
  return fleetOf(clusters, namespace)
}

async function filesAt(paths: readonly string[], { helm, kustomize, values, world }: FleetOptions) {
  return readInput({ paths, helm, kustomize, values, kubernetes, world })
}

/** Of charts that are rendered. */
const kubernetes = { major: 1, minor: 34 }

interface ReadCluster extends NamedCluster {
  manifests: readonly Manifest[]
  unreadable: readonly string[]
}

function manifestsOf(files: readonly LintFile[]): Pick<ReadCluster, 'manifests' | 'unreadable'> {
  const read = files.map(({ name, text, problem }) =>
    problem === undefined
      ? { name, ...readManifests(name, text) }
      : { name, manifests: [], unreadable: [{ line: 1, message: problem }] },
  )
  return {
    manifests: read.flatMap(({ manifests }) => manifests),
    unreadable: read.flatMap(({ name, unreadable }) =>
      unreadable.map(({ line, message }) => `${name}:${line}: ${message}`),
    ),
  }
}

function fleetOf(read: readonly ReadCluster[], namespace: string): Fleet {
  const problems = new Set<string>()
  const clusters = read.map(({ name, issuer, aks, context, manifests, unreadable }) => {
    const found = accountUses(manifestSet(manifests, kubernetes), namespace)
    for (const text of [...unreadable, ...found.problems]) problems.add(text)
    const roles = manifests.filter(({ kind }) => kind === 'ClusterRole' || kind === 'ClusterRoleBinding')
    return { name, issuer, aks, context, uses: found.uses, clusterRoles: new Set(roles.map((one) => one.name)) }
  })
  return { clusters, problems: [...problems] }
}

function oneCluster({ issuer, aks }: FleetOptions): NamedCluster {
  if (issuer === undefined)
    throw usage(
      'the issuer of the service account tokens is not known',
      'name it with --issuer, or all clusters in a file with --fleet',
      'kubectl get --raw /.well-known/openid-configuration | jq -r .issuer',
    )
  return checked({ name: 'cluster', issuer, aks, context: undefined, paths: [] })
}

function checked(cluster: NamedCluster): NamedCluster {
  const problems = new Problems()
  if (!isIssuer(cluster.issuer)) problems.unexpected('--issuer', cluster.issuer, issuerForm)
  if (cluster.aks !== undefined && !isAksId(cluster.aks)) problems.unexpected('--aks', cluster.aks, aksForm)
  problems.throwIfAny('the cluster')
  return cluster
}

/** Reads `clusters: [{name, issuer, aks, context, paths}]`. Paths are relative to the file. */
function readFleetFile(file: string): NamedCluster[] {
  const problems = new Problems()
  const list = listOf(recordOf(readYaml(file))?.clusters) ?? []
  const { clusters: limit } = planLimits
  if (list.length === 0) problems.add('clusters', 'found none')
  if (list.length > limit.value) problems.add('clusters', beyondLimit(limit, list.length))
  const clusters = list.slice(0, limit.value).map((entry, index) => readCluster(entry, `clusters[${index}]`, problems))
  const names = new Set<string>()
  for (const [index, { name }] of clusters.entries()) {
    if (names.has(name)) problems.add(`clusters[${index}].name`, `"${name}" is there twice`)
    names.add(name)
  }
  problems.throwIfAny(file)
  return clusters.map((one) => ({ ...one, paths: one.paths.map((path) => resolve(dirname(file), path)) }))
}

function readYaml(file: string): unknown {
  try {
    const { fileBytes } = lintLimits
    const { size } = statSync(file)
    if (size > fileBytes.value) throw new Error(beyondLimit(fileBytes, size))
    return parse(readFileSync(file, 'utf8'), { maxAliasCount: 100 })
  } catch (error) {
    throw new CliError({ what: `Cannot read ${file}`, why: errorMessage(error), code: 'usage' })
  }
}

function readCluster(entry: unknown, path: string, problems: Problems): NamedCluster {
  const fields = recordOf(entry) ?? {}
  for (const name of Object.keys(fields))
    if (!['name', 'issuer', 'aks', 'context', 'paths'].includes(name))
      problems.unexpected(path, name, 'name, issuer, aks, context or paths')
  const text = (field: string) => stringOf(fields[field]) ?? ''
  const check = (field: string, ok: (value: string) => boolean, form: string) => {
    if (!ok(text(field))) problems.unexpected(`${path}.${field}`, text(field), form)
  }
  check('name', (name) => /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(name), 'lower-case letters, digits, "-" and "."')
  check('issuer', isIssuer, issuerForm)
  if (fields.aks !== undefined) check('aks', isAksId, aksForm)
  if (fields.context !== undefined)
    check(
      'context',
      (name) => name !== '' && name.length <= 253 && !/\p{Cc}/u.test(name),
      'a context of the kubeconfig',
    )
  const paths = fields.paths === undefined ? [] : listOf(fields.paths)
  if (paths?.every((one) => typeof one === 'string') !== true) problems.add(`${path}.paths`, 'expected a list of paths')
  return {
    name: text('name'),
    issuer: text('issuer'),
    aks: stringOf(fields.aks),
    context: stringOf(fields.context),
    paths: (paths ?? []).filter((one) => typeof one === 'string'),
  }
}

const issuerForm = 'the https URL of the issuer, exactly as in the tokens'
const aksForm = '/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ContainerService/managedClusters/NAME'

function isIssuer(text: string): boolean {
  return /^https:\/\/[\w.:/~-]{1,400}$/.test(text)
}

function isAksId(text: string): boolean {
  return /^\/subscriptions\/[\w-]{1,64}\/resourceGroups\/[\w().-]{1,90}\/providers\/Microsoft\.ContainerService\/managedClusters\/[\w-]{1,63}$/i.test(
    text,
  )
}

function usage(what: string, ...fix: string[]): CliError {
  return new CliError({ what, fix, code: 'usage' })
}
