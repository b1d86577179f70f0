import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { chartDirectory, helm } from '../packaging/charts/helm.ts'
import type { Lab } from '../support/lab.ts'
import { createNamespace } from './namespaces.ts'

/** The webhook of the chart, beside the product of the lab, for the pods of chosen namespaces only. */
export interface InstalledWebhook {
  namespace: string
  /** Reference of the image that it runs, and that it gives pods as sidecar. */
  image: string
  uninstall(): Promise<void>
}

/** The image that the chart names, unless KEYMOUNT_IMAGE names another one. */
export function productImage(defaultReference: string): string {
  return process.env.KEYMOUNT_IMAGE || defaultReference
}

/** @param more of the chart's values below `webhook`. */
export async function installWebhook(
  lab: Lab,
  image: string,
  namespaces: string[],
  more: object = {},
): Promise<InstalledWebhook> {
  const namespace = await createNamespace(lab, 'wi-webhook')
  const directory = await mkdtemp(join(tmpdir(), 'keymount-helm-'))
  const file = join(directory, 'values.yaml')
  const [repository, tag] = image.split(/:(?=[^/]*$)/)
  const key = 'kubernetes.io/metadata.name'
  const values = {
    driver: { install: false },
    provider: { install: false },
    linux: { image: { repository, tag } },
    proxySettings: { httpsProxy: lab.azureProxy.url, proxyCert: await readFile(lab.azureProxy.caFile, 'utf8') },
    webhook: {
      enabled: true,
      azureTenantID: lab.azure.tenantId,
      logLevel: 'debug',
      mutatingWebhookNamespaceSelector: { matchExpressions: [{ key, operator: 'In', values: namespaces }] },
      ...more,
    },
  }
  const run = (...words: string[]) =>
    promisify(execFile)(helm ?? 'helm', [...words, '-n', namespace, '--wait', '--timeout', '2m'], {
      env: { ...process.env, KUBECONFIG: lab.kubeconfig },
    })
  try {
    await writeFile(file, stringify(values))
    await run('install', namespace, chartDirectory, '-f', file)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return {
    namespace,
    image,
    async uninstall() {
      await run('uninstall', namespace)
    },
  }
}
