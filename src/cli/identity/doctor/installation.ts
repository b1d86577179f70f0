import { join } from 'node:path'
import type { CsiDriver } from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'

/** How Keymount was installed in a cluster, which decides how parts of it are added. */
export type Installation =
  | { kind: 'lab' }
  | { kind: 'helm'; release: string; namespace: string }
  /** By manifests, or by something that is not known. */
  | { kind: 'other' }

/** Of the local cluster's `/version`. */
const labVersion = /\+keymount-local"/

/** @param version the text of `/version`. */
export function installationOf(driver: Answer<CsiDriver | undefined>, version: Answer<string>): Installation {
  if ('value' in version && labVersion.test(version.value)) return { kind: 'lab' }
  const annotations = 'value' in driver ? (driver.value?.metadata.annotations ?? {}) : {}
  const release = annotations['meta.helm.sh/release-name']
  const namespace = annotations['meta.helm.sh/release-namespace']
  return release === undefined || namespace === undefined ? { kind: 'other' } : { kind: 'helm', release, namespace }
}

/** The command that adds the workload identity webhook. @param tenantId empty if it is not known. */
export function addWebhookCommand(installation: Installation, chart: string, tenantId: string): string {
  const tenant = tenantId === '' ? 'TENANT_ID' : tenantId
  switch (installation.kind) {
    case 'lab':
      return 'az aks update --resource-group keymount --name keymount --enable-workload-identity'
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

/** The same, with the chart of this package. */
export function chartInstallCommand(installation: Installation, packageRoot: string): string {
  return installCommand(installation, join(packageRoot, 'charts/keymount'))
}

/** The command that installs Keymount, where there is no driver. */
export function installCommand(installation: Installation, chart: string): string {
  if (installation.kind === 'lab') return 'keymount up'
  return commandLine('helm', 'upgrade', '--install', 'keymount', chart, '--namespace', 'kube-system')
}
