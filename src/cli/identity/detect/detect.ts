import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isNotFound, type KubeClient, type KubeObject, resources, type SecretProviderClass } from '#kubernetes/client'
import { Problems } from '#lib'
import { makeDirectories } from '#lib/files'
import { CliError, type CliWorld, countOf, createTerminal, exitCodes } from '#terminal'
import { attempt } from '../../answer.ts'
import { withCluster } from '../../cluster/open-cluster.ts'
import type { ClusterOption } from '../../options.ts'
import { askIssuer } from '../cluster-issuer.ts'
import { parseExpiration } from '../serviceaccount/options.ts'
import { topOwner } from '../workload-owner.ts'
import { classesOf } from './migrated-class.ts'
import { type ProxyMode, selectsByBinding } from './migrated-workload.ts'
import { type MigratingWorkload, type MigrationFile, migrationFiles } from './migration-files.ts'
import {
  bindingLabel,
  byNamespaceAndName,
  type MatchedBindings,
  matchBindings,
  type SelectorIdentity,
} from './plan-migration.ts'

export interface DetectCommand {
  namespace: string
  /** `-` for standard output. */
  outputDirectory: string | undefined
  proxy: ProxyMode
  proxyPort: string
  tokenExpiration: string
  tenantId: string
  cluster: ClusterOption
  world: CliWorld
}

/** `keymount podidentity detect`: writes what migrates a namespace from pod identity to workload identity. */
export async function detect(command: DetectCommand): Promise<number> {
  const { world, namespace, outputDirectory, tenantId, proxy } = command
  const { proxyPort, tokenExpiration } = parseNumbers(command)
  const terminal = createTerminal(world)
  return withCluster(command.cluster, world, async ({ kube }) => {
    const { matched, warnings } = await readBindings(kube, namespace)
    const workloads = await findWorkloads(kube, namespace, matched)
    const issuer = await askIssuer((path) => kube.raw({ method: 'GET', path }))
    const files = migrationFiles(workloads, {
      proxy,
      proxyPort,
      tokenExpiration,
      tenantId,
      issuer: 'value' in issuer ? issuer.value : undefined,
      version: world.version,
    })
    const stuck = workloads.filter(({ owner }) => selectsByBinding(owner))
    for (const warning of [...warnings, ...stuck.map(selectorWarning)]) terminal.error(`warning: ${warning}`)
    write(files, outputDirectory ?? '', world)
    const verb = workloads.length === 1 ? 'uses' : 'use'
    const result = files.length === 0 ? ': nothing to write' : ''
    terminal.error(`${countOf(workloads.length, 'workload')} of namespace ${namespace} ${verb} pod identity${result}`)
    return exitCodes.ok
  })
}

function parseNumbers({ outputDirectory, proxyPort, tokenExpiration }: DetectCommand) {
  const problems = new Problems()
  if ((outputDirectory ?? '') === '') problems.add('', '--output-dir is required')
  const port = Number(proxyPort)
  if (!/^\d{1,5}$/.test(proxyPort) || port < 1 || port > 65_535) {
    problems.unexpected('--proxy-port', proxyPort, 'a port from 1 to 65535')
  }
  const seconds = parseExpiration(tokenExpiration, problems)
  problems.throwIfAny('options')
  return { proxyPort: port, tokenExpiration: seconds }
}

async function readBindings(kube: KubeClient, namespace: string): Promise<MatchedBindings> {
  try {
    const [bindings, identities] = await Promise.all([
      kube.list(resources.azureIdentityBindings, { namespace }),
      kube.list(resources.azureIdentities, { namespace }),
    ])
    return matchBindings(bindings.items, identities.items)
  } catch (cause) {
    if (!isNotFound(cause)) throw cause
    throw new CliError({
      what: 'AAD Pod Identity is not installed in this cluster',
      why: 'there are no AzureIdentities: their CustomResourceDefinitions are missing',
      fix: ['name the right cluster: --kubeconfig FILE'],
      cause,
    })
  }
}

/** Each workload once, however many pods it has. */
async function findWorkloads(
  kube: KubeClient,
  namespace: string,
  matched: readonly SelectorIdentity[],
): Promise<MigratingWorkload[]> {
  const found = new Map<string, MigratingWorkload>()
  for (const { selector, identity } of matched) {
    const pods = await kube.list(resources.pods, { namespace, labelSelector: `${bindingLabel}=${selector}` })
    for (const pod of pods.items) {
      const owner: KubeObject = await topOwner(kube, pod)
      const key = `${owner.kind}/${owner.metadata.name}`
      if (!found.has(key)) found.set(key, { owner, identity, classes: await readClasses(kube, owner) })
    }
  }
  return [...found.values()].toSorted((a, b) => byNamespaceAndName(a.owner, b.owner))
}

/** A class that does not exist is left out: pods that mount it do not start today either. */
async function readClasses(kube: KubeClient, owner: KubeObject): Promise<SecretProviderClass[]> {
  const { namespace } = owner.metadata
  const found = await Promise.all(
    classesOf(owner).map((name) => attempt(() => kube.get(resources.secretProviderClasses, { namespace, name }))),
  )
  return found.flatMap((one) => ('value' in one ? [one.value] : []))
}

function selectorWarning({ owner }: MigratingWorkload): string {
  return `${owner.kind} "${owner.metadata.name}" selects its pods by the label ${bindingLabel}, and selectors cannot be changed: delete it before you apply the new one, and remove the label from its selector`
}

function write(files: readonly MigrationFile[], directory: string, { stdout }: CliWorld): void {
  if (directory === '-') {
    for (const { name, text } of files)
      stdout.write(name.endsWith('.yaml') ? `---\n# ${name}\n${text}` : `# ${name}\n${comment(text)}`)
    return
  }
  makeDirectories(directory, 0o755)
  for (const { name, text } of files) writeFileSync(join(directory, name), text)
}

/** So that all of the output is YAML that kubectl accepts. */
function comment(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '# ')
}
