import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CsiDriver } from '#kubernetes/client'
import { addWebhookCommand, installationOf, installCommand } from './installation.ts'

function driverWith(annotations: Record<string, string>): { value: CsiDriver } {
  const metadata = { name: 'secrets-store.csi.k8s.io', annotations }
  return { value: { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata, spec: {} } }
}

const version = (gitVersion: string) => ({ value: JSON.stringify({ gitVersion }) })
const chart = '/package/charts/keymount'

test('a part is added the way Keymount was installed: to its Helm release and namespace', () => {
  const annotations = { 'meta.helm.sh/release-name': 'csi', 'meta.helm.sh/release-namespace': 'system' }
  const installation = installationOf(driverWith(annotations), version('v1.34.0'))
  assert.equal(
    addWebhookCommand(installation, chart, 'tenant'),
    'helm upgrade csi /package/charts/keymount --namespace system --reuse-values --set webhook.enabled=true --set webhook.azureTenantID=tenant',
  )
})

test('manifests are applied where manifests were', () => {
  const installation = installationOf(driverWith({}), version('v1.34.0'))
  assert.equal(
    addWebhookCommand(installation, chart, ''),
    "AZURE_TENANT_ID=TENANT_ID envsubst '$AZURE_TENANT_ID' < /package/deploy/optional/workload-identity.yaml | kubectl apply -f -",
  )
})

test('the local cluster of a lab is a managed cluster', () => {
  const installation = installationOf({ why: 'no right' }, version('v1.34.0+keymount-local'))
  assert.match(addWebhookCommand(installation, chart, ''), /^az aks update .* --enable-workload-identity$/)
  assert.equal(installCommand(installation, chart), 'keymount up')
})

test('commands name the cluster of the kubeconfig’s context, not the first one of the lab', () => {
  const lab = version('v1.34.0+keymount-local')
  const second = installationOf({ why: 'no right' }, lab, 'clusterUser_shop_blue')
  const update = 'az aks update --resource-group shop --name blue --enable-workload-identity'
  assert.equal(addWebhookCommand(second, chart, ''), update)
  assert.equal(
    installCommand(second, chart),
    'az aks enable-addons --addons azure-keyvault-secrets-provider --resource-group shop --name blue',
  )
  const labels = { 'kubernetes.azure.com/managedby': 'aks' }
  const driver = driverWith({})
  driver.value.metadata.labels = labels
  assert.equal(
    addWebhookCommand(installationOf(driver, version('v1.34.0'), 'clusterAdmin_shop_blue'), chart, ''),
    update,
  )
  assert.equal(installationOf(driver, version('v1.34.0'), 'developer').kind, 'other')
})
