/**
 * Addresses of the pod network. They are the same in every cluster, because each has network namespaces of its own, in which
 * nothing of the machine or of another cluster is seen.
 */
export const networkAddresses = {
  /** The bridge of the pods, on the node. */
  bridge: '10.244.0.1',
  podPrefix: 16,
  pods: '10.244.0.0/16',
  /** The node: of pods with `hostNetwork` too. */
  node: '10.245.0.1',
  /** The router: at this address pods reach servers of the machine. */
  router: '10.245.0.2',
  linkPrefix: 30,
  services: '10.96.0.0/16',
  /** The Service `kubernetes`. */
  apiServer: '10.96.0.1',
  nameServer: '10.96.0.10',
  /** Of every cloud's instance metadata service. */
  metadata: '169.254.169.254',
} as const

/** Service addresses are given from the second block of 256 on; those of the cluster itself are in the first. */
const firstServiceNumber = 256
const lastServiceNumber = 65_534

/** The first free address for a Service, starting at one that its name leads to, so that it is the same after a restart from nothing. */
export function freeServiceAddress(name: string, taken: ReadonlySet<string>): string {
  const count = lastServiceNumber - firstServiceNumber + 1
  let hash = 0
  for (const char of name) hash = (hash * 31 + char.charCodeAt(0)) % count
  for (let step = 0; step < count; step++) {
    const address = nthAddress('10.96', firstServiceNumber + ((hash + step) % count))
    if (!taken.has(address)) return address
  }
  throw new Error('no address is left for a Service')
}

/** Addresses of pods, one after the other, so that the address of a pod that has ended is not used again at once. */
export function createPodAddresses(): { take(): string; release(address: string): void } {
  const first = 2
  const last = 65_534
  const taken = new Set<string>()
  let next = first
  return {
    take() {
      for (let tries = first; tries <= last; tries++) {
        const address = nthAddress('10.244', next)
        next = next === last ? first : next + 1
        if (taken.has(address)) continue
        taken.add(address)
        return address
      }
      throw new Error('no address is left for a pod')
    },
    release: (address) => void taken.delete(address),
  }
}

function nthAddress(prefix: string, number: number): string {
  return `${prefix}.${number >> 8}.${number & 255}`
}

/** Whether an address belongs to the cluster rather than to the world outside. */
export function isClusterAddress(address: string): boolean {
  return /^(10\.(96|244|245)|127|169\.254)\./.test(address)
}
