/** What a container of the image starts with. The Dockerfile has the same values, which a test compares. */
export const nodeFlags = [
  // The young generation of a daemon that is idle most of the time: 1 MiB instead of 16 saves about 2 MiB per process.
  '--max-semi-space-size=1',
  // start.cjs collects once, after the start.
  '--expose-gc',
  // A program of the node that sends SIGUSR1 would otherwise open the inspector, which runs any code and reads any memory.
  '--disable-sigusr1',
] as const

/** Where the image keeps the program. */
export const programDirectory = '/opt/keymount'

/** Command before the arguments of a container: `driver --endpoint=…`. */
export const entrypoint: readonly string[] = ['/usr/local/bin/node', ...nodeFlags, `${programDirectory}/start.cjs`]

/**
 * Upstream's name of the proxy, for running it in a container that is up: the hook that waits until the sidecar answers
 * (`/proxy --probe`), and people (`kubectl exec POD -c azwi-proxy -- /proxy --version`). The sidecar itself has the entry point.
 */
export const proxyCommand = {
  path: '/proxy',
  text: `#!/usr/local/bin/node\nprocess.argv.splice(2, 0, 'proxy')\nrequire('${programDirectory}/start.cjs')\n`,
} as const

/** One malloc arena instead of one per thread: saves about 2 MiB per process. mallopt(3) */
export const environment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  MALLOC_ARENA_MAX: '1',
}

/** Name of the image for a version of the package. */
export function imageReference(version: string): string {
  return `ghcr.io/keymount/keymount:${version}`
}
