import { join } from 'node:path'
import { stringify } from 'yaml'
import type { UntypedObject } from '#kubernetes/client'
import { clusterDefaults } from '#packaging/charts'
import type { ProductSettings } from './product-objects.ts'

/**
 * What a chart of the package has to know of one cluster of the lab (image, directories, ports, and the way to Azure), as
 * values of charts/keymount in a ConfigMap of that cluster. With it, `helm install` needs only the flags that a
 * walk-through gives it.
 */
export function chartDefaults(
  settings: Pick<ProductSettings, 'image' | 'kubeletRoot' | 'azure' | 'shared'>,
): UntypedObject {
  const { image, kubeletRoot, azure, shared } = settings
  const ports = shared?.ports
  const [repository, tag] = image?.split(/:(?=[^/]*$)/) ?? []
  // YAML leaves out what is undefined.
  const values = {
    metricsAddr: ports && String(ports.providerMetrics),
    livenessProbe: ports && { port: ports.driverHealth },
    proxySettings: azure && {
      httpsProxy: azure.proxy,
      noProxy: azure.noProxy.join(','),
      proxyCert: azure.caPem,
    },
    linux: {
      image: repository === undefined ? undefined : { repository, tag },
      kubeletRootDir: kubeletRoot,
      providersDir: shared?.providersDirectory,
      additionalProvidersDirs: shared && [join(shared.providersDirectory, 'additional')],
      metricsAddr: ports && `127.0.0.1:${ports.driverMetrics}`,
      healthzPort: ports?.providerHealth,
      provider: azure && { env: [{ name: 'AZURE_POD_IDENTITY_AUTHORITY_HOST', value: azure.imds }] },
    },
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: clusterDefaults,
    data: { 'values.yaml': stringify(values) },
  }
}
