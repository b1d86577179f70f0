import type { Container, PodSpec } from '#kubernetes/client'
import { imageReference } from '#packaging/image'
import { type NewContainer, proxyContainer, proxyInitContainer } from '#product/proxy'

const upstreamRepository = 'mcr.microsoft.com/oss/azure/workload-identity'

export interface ProxyContainerOptions {
  port: number
  version: string
}

/**
 * Adds the proxy and its init container to a pod, unless it has them: ours are recognized by name, upstream's also by
 * image. The webhook does not change containers of these names.
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
