import type { Container, PodSpec } from '#kubernetes/client'
import { imageReference } from '#packaging/image'
import { type NewContainer, proxyContainer, proxyInitContainer } from '#product/proxy'

const upstreamRepository = 'mcr.microsoft.com/oss/azure/workload-identity'

export interface ProxyContainerOptions {
  port: number
  version: string
}

/**
 * Appends the proxy and its init step to a pod's own containers, unless they are there: ours by their names, upstream's by
 * their images too. The webhook leaves containers of these names as they are.
 */
export function addProxyContainers(spec: PodSpec, { port, version }: ProxyContainerOptions): void {
  const image = imageReference(version)
  const settings = { image, initImage: image, extraArgs: [], env: [], logLevel: 'info', nativeSidecar: false }
  spec.initContainers = withContainer(spec.initContainers ?? [], proxyInitContainer(settings, port), 'proxy-init')
  spec.containers = withContainer(spec.containers, proxyContainer(settings, port), 'proxy')
}

function withContainer(containers: Container[], added: NewContainer, upstreamImage: string): Container[] {
  const isThere = ({ name, image = '' }: Container) =>
    name === added.name || image.replace(/[:@].*$/, '') === `${upstreamRepository}/${upstreamImage}`
  return containers.some(isThere) ? containers : [...containers, added]
}
