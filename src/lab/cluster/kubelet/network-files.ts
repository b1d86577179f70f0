import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Pod } from '#kubernetes/client'
import { networkAddresses } from '#lab/router'
import { hostnameOf } from './container-environment.ts'
import type { ContainerMount } from './container-script.ts'
import type { PodContext } from './pod-context.ts'

/**
 * The files of /etc that kubelet writes for a pod with a network of its own, except where the container mounts something else.
 * https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy
 */
export function networkFiles(
  pod: Pod,
  mounts: readonly ContainerMount[],
  { scriptFile }: Pick<PodContext, 'scriptFile'>,
): ContainerMount[] {
  // Beside the scripts, in memory; no volume has a name with a dot.
  const directory = dirname(scriptFile(pod.metadata.uid ?? '', 'network'))
  const texts = { 'resolv.conf': resolverSettings(pod), hosts: pod.spec.hostNetwork === true ? undefined : hosts(pod) }
  return Object.entries(texts).flatMap(([name, text]) => {
    const target = `/etc/${name}`
    if (text === undefined || mounts.some((mount) => mount.target === target)) return []
    const source = join(directory, `etc.${name}`)
    writeFileSync(source, text, { mode: 0o644 })
    return [{ source, target, kind: 'file', readOnly: false, propagation: 'rprivate', keptFlags: [] }]
  })
}

function resolverSettings({ metadata, spec }: Pod): string {
  const { dnsPolicy: policy = 'ClusterFirst', dnsConfig = {}, hostNetwork = false } = spec
  const { nameservers = [], searches = [], options = [] } = dnsConfig
  const inCluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !hostNetwork)
  const domains = inCluster ? [`${metadata.namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'] : []
  const all = [...domains, ...searches]
  const texts = options.map(({ name = '', value }) => (value === undefined ? name : `${name}:${value}`))
  const settings = [...(inCluster ? ['ndots:5'] : []), ...texts]
  // The cluster's name server answers for the machine's too, which cannot be reached from here.
  const servers = [...(policy === 'None' ? [] : [networkAddresses.nameServer]), ...nameservers]
  return [
    ...servers.map((address) => `nameserver ${address}`),
    ...(all.length > 0 ? [`search ${all.join(' ')}`] : []),
    ...(settings.length > 0 ? [`options ${settings.join(' ')}`] : []),
    '',
  ].join('\n')
}

function hosts({ metadata, status }: Pod): string {
  const own = `${status?.podIP}\t${hostnameOf(metadata.name ?? '')}`
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}\n`
}
