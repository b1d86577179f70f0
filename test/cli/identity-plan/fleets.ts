import { stringify } from 'yaml'
import { secretsVolume } from '../../support/secrets-volume.ts'

/** Manifests of a fleet for `keymount identity plan`. */

export interface FleetOptions {
  clientId: string
  tenantId: string
  vault: string
  accounts: number
  /** Namespaces that the accounts are in, by turns. */
  namespaces: readonly string[]
  /** What a class reads. Default: the secret `db`. */
  objects?: readonly Record<string, string>[] | undefined
  /** What the container runs. Default: it sleeps. */
  image?: string | undefined
}

/** `accounts` service accounts, each with a pod that mounts the one class of its namespace, which names the client. */
export function fleetManifests({
  clientId,
  tenantId,
  vault,
  accounts,
  namespaces,
  objects,
  image,
}: FleetOptions): string {
  const entries = (objects ?? [{ objectName: 'db', objectType: 'secret' }]).map((entry) => stringify(entry))
  const classes = namespaces.map((namespace) => ({
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { name: 'app', namespace },
    spec: {
      provider: 'azure',
      parameters: {
        keyvaultName: vault,
        clientID: clientId,
        tenantID: tenantId,
        objects: stringify({ array: entries }),
      },
    },
  }))
  const apps = Array.from({ length: accounts }, (_, index) => {
    const name = `app-${String(index + 1).padStart(2, '0')}`
    const namespace = namespaces[index % namespaces.length]
    return [serviceAccount(name, namespace), pod(name, namespace, image)]
  })
  return [...classes, ...apps.flat()].map((object) => stringify(object)).join('---\n')
}

function serviceAccount(name: string, namespace: string | undefined) {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } }
}

function pod(name: string, namespace: string | undefined, image = 'registry.k8s.io/e2e-test-images/busybox:1.29-4') {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      serviceAccountName: name,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'app',
          image,
          command: ['sleep', '3600'],
          volumeMounts: [{ name: 's', mountPath: '/s', readOnly: true }],
        },
      ],
      volumes: [secretsVolume('s', 'app')],
    },
  }
}

/** Clusters of a fleet, for `--fleet`. */
export function fleetFile(count: number, { aks }: { aks: boolean }): string {
  const clusters = Array.from({ length: count }, (_, index) => {
    const name = `prod-${String(index + 1).padStart(2, '0')}`
    const id = `/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/fleet/providers/Microsoft.ContainerService/managedClusters/${name}`
    return { name, issuer: `https://oidc.example/${name}/`, context: name, ...(aks ? { aks: id } : {}) }
  })
  return stringify({ clusters })
}
