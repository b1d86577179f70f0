import type { Container, PodSpec } from '../../../kube/index.ts'

const repository = 'ghcr.io/keymount/keymount'
const upstreamRepository = 'mcr.microsoft.com/oss/azure/workload-identity'

/** User of the proxy, whose own requests the redirection lets pass. */
const proxyUser = 1501

export interface ProxyContainerOptions {
  port: number
  version: string
}

/**
 * Appends the proxy and its init step to a pod's own containers, unless they are there: ours by their names, upstream's by
 * their images too. The webhook leaves containers of these names as they are.
 */
export function addProxyContainers(spec: PodSpec, options: ProxyContainerOptions): void {
  spec.initContainers = withContainer(spec.initContainers ?? [], proxyInit(options), 'proxy-init')
  spec.containers = withContainer(spec.containers, proxy(options), 'proxy')
}

function withContainer(containers: Container[], added: Container, upstreamImage: string): Container[] {
  const isThere = ({ name, image = '' }: Container) =>
    name === added.name || image.replace(/[:@].*$/, '') === `${upstreamRepository}/${upstreamImage}`
  return containers.some(isThere) ? containers : [...containers, added]
}

function proxy({ port, version }: ProxyContainerOptions): Container {
  return {
    name: 'azwi-proxy',
    image: `${repository}:${version}`,
    imagePullPolicy: 'IfNotPresent',
    args: ['proxy', `--proxy-port=${port}`, '--log-level=info'],
    ports: [{ containerPort: port }],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: proxyUser,
      runAsGroup: proxyUser,
    },
  }
}

function proxyInit({ port, version }: ProxyContainerOptions): Container {
  return {
    name: 'azwi-proxy-init',
    image: `${repository}:${version}`,
    imagePullPolicy: 'IfNotPresent',
    args: ['proxy-init'],
    env: [{ name: 'PROXY_PORT', value: String(port) }],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: false,
      runAsUser: 0,
    },
  }
}
