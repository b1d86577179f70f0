import { join } from 'node:path'
import type { CsiDriver } from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'

/** How Keymount was installed in a cluster, which decides how parts of it are added. */
export type Installation =
  /** A managed cluster of Azure with the add-on, or a cluster of the lab, which is one too. */
  | { kind: 'managed'; isLab: boolean; group: string; name: string }
  | { kind: 'helm'; release: string; namespace: string }
  /** By manifests, or by something that is not known. */
  | { kind: 'other' }

/** Of the local cluster's `/version`. */
const labVersion = /\+keymount-local"/

/**
 * @param version the text of `/version`.
 * @param userName of the kubeconfig: `az aks get-credentials` names users after group and cluster.
 */
export function installationOf(
  driver: Answer<CsiDriver | undefined>,
  version: Answer<string>,
  userName = '',
): Installation {
  const isLab = 'value' in version && labVersion.test(version.value)
  const [group, name] = managedNames(userName) ?? ['keymount', 'keymount']
  if (isLab) return { kind: 'managed', isLab, group, name }
  const labels = 'value' in driver ? (driver.value?.metadata.labels ?? {}) : {}
  if (labels['kubernetes.azure.com/managedby'] === 'aks' && managedNames(userName) !== undefined) {
    return { kind: 'managed', isLab, group, name }
  }
  const annotations = 'value' in driver ? (driver.value?.metadata.annotations ?? {}) : {}
  const release = annotations['meta.helm.sh/release-name']
  const namespace = annotations['meta.helm.sh/release-namespace']
  return release === undefined || namespace === undefined ? { kind: 'other' } : { kind: 'helm', release, namespace }
}

/** An underscore may be in the name of a group and of a cluster: such a pair is ambiguous, and not recognized. */
function managedNames(userName: string): [group: string, name: string] | undefined {
  const [, group, name] = /^cluster(?:User|Admin)_([^_]+)_([^_]+)$/.exec(userName) ?? []
  return group === undefined || name === undefined ? undefined : [group, name]
}

/** The command that adds the workload identity webhook. @param tenantId empty if it is not known. */
export function addWebhookCommand(installation: Installation, chart: string, tenantId: string): string {
  const tenant = tenantId === '' ? 'TENANT_ID' : tenantId
  switch (installation.kind) {
    case 'managed': {
      const { group, name } = installation
      return commandLine('az', 'aks', 'update', '--resource-group', group, '--name', name, '--enable-workload-identity')
    }
    case 'helm': {
      const { release, namespace } = installation
      const values = ['--set', 'webhook.enabled=true', '--set', `webhook.azureTenantID=${tenant}`]
      return commandLine('helm', 'upgrade', release, chart, '--namespace', namespace, '--reuse-values', ...values)
    }
    case 'other': {
      const manifest = chart.replace(/charts\/keymount$/, 'deploy/optional/workload-identity.yaml')
      return `AZURE_TENANT_ID=${tenant} envsubst '$AZURE_TENANT_ID' < ${commandLine(manifest)} | kubectl apply -f -`
    }
    default:
      throw new Error(`unknown installation ${JSON.stringify(installation satisfies never)}`)
  }
}

const webhookDeployment = 'azure-workload-identity-webhook-controller-manager'

/**
 * The commands after which the webhook adds environment variables; none in a managed cluster of Azure, whose own webhook
 * does not know them.
 *
 * @param isInstalled whether the webhook of Keymount runs there
 */
export function addEnvFilesCommands(
  installation: Installation,
  chart: string,
  { isInstalled, tenantId }: { isInstalled: boolean; tenantId: string },
): string[] {
  const value = ['--set', 'webhook.envFiles.enabled=true']
  if (installation.kind === 'helm') {
    const { release, namespace } = installation
    if (!isInstalled) return [`${addWebhookCommand(installation, chart, tenantId)} ${value.join(' ')}`]
    return [commandLine('helm', 'upgrade', release, chart, '--namespace', namespace, '--reuse-values', ...value)]
  }
  if (installation.kind === 'managed' && !installation.isLab) return []
  const add = [{ op: 'add', path: '/spec/template/spec/containers/0/args/-', value: '--env-files' }]
  const target = ['deployment', webhookDeployment, '--namespace', 'kube-system']
  const patch = commandLine('kubectl', 'patch', ...target, '--type', 'json', '--patch', JSON.stringify(add))
  return [...(isInstalled ? [] : [addWebhookCommand(installation, chart, tenantId)]), patch]
}

/** The same, with the chart of this package. */
export function chartInstallCommand(installation: Installation, packageRoot: string): string {
  return installCommand(installation, join(packageRoot, 'charts/keymount'))
}

/** The command that installs Keymount, where there is no driver. */
export function installCommand(installation: Installation, chart: string): string {
  if (installation.kind === 'managed') {
    const { isLab, group, name } = installation
    if (isLab && name === 'keymount') return 'keymount up'
    const cluster = ['--resource-group', group, '--name', name]
    return commandLine('az', 'aks', 'enable-addons', '--addons', 'azure-keyvault-secrets-provider', ...cluster)
  }
  return commandLine('helm', 'upgrade', '--install', 'keymount', chart, '--namespace', 'kube-system')
}
