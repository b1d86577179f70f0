import { explainFailure, holdsCapability, packetFilters } from '#kubernetes/netfilter'
import type { Log, RunProgram } from '#lib'

/** What is redirected where, and whose connections are not. */
export interface Redirection {
  proxyPort: number
  metadataIp: string
  metadataPort: number
  /** User of the proxy, whose own requests have to reach the real IMDS. */
  proxyUid: number
}

export interface RedirectWorld {
  run: RunProgram
  /** The text of /proc/self/status. */
  processStatus: string
  log: Log
}

const chains = { output: 'AZWI_PROXY_OUTPUT', redirect: 'AZWI_PROXY_REDIRECT' } as const

/** No other program changes the rules of this pod, and its root file system is read-only: no lock file is needed. */
const env = { XTABLES_LOCKFILE: '/dev/null' }

/**
 * Redirects the pod's TCP connections for IMDS to the proxy, in the network namespace of this process. One transaction, which
 * may be repeated: a container that is started again changes nothing. IPv4 only, because IMDS has no other address.
 * Throws without the capability, and on a node with neither packet filter.
 */
export async function redirectMetadata(redirection: Redirection, { run, processStatus, log }: RedirectWorld) {
  if (!holdsCapability(processStatus, 'NET_ADMIN')) {
    throw new Error(
      'the capability NET_ADMIN is missing, without which no connection can be redirected; the container needs securityContext.capabilities.add: [NET_ADMIN, NET_RAW] and runAsUser: 0',
    )
  }
  const failures: string[] = []
  for (const filter of packetFilters) {
    const { name, program } = filter
    const find = ['iptables', '-t', 'nat', '-C', 'OUTPUT', ...jumpRule(redirection)]
    const jump = await run({ program, args: find, env })
    const input = rulesOf(redirection, jump.status === 0)
    const result = await run({ program, args: ['iptables-restore', '--noflush'], input, env })
    if (result.status === 0) {
      log.info({ ...redirection, filter: name }, 'connections for the metadata address go to the proxy')
      return
    }
    failures.push(explainFailure(filter, result, processStatus))
  }
  throw new Error(`no packet filter of the node can be used: ${failures.join('; ')}`)
}

/** For `iptables-restore --noflush`: chains that are named are emptied first, all others stay. */
function rulesOf(redirection: Redirection, jumpExists: boolean): string {
  const lines = [
    '*nat',
    `:${chains.output} - [0:0]`,
    `:${chains.redirect} - [0:0]`,
    `-A ${chains.redirect} -p tcp -j REDIRECT --to-ports ${redirection.proxyPort}`,
    `-A ${chains.output} -m owner --uid-owner ${redirection.proxyUid} -j ACCEPT`,
    `-A ${chains.output} -j ${chains.redirect}`,
    ...(jumpExists ? [] : [`-A OUTPUT ${jumpRule(redirection).join(' ')}`]),
    'COMMIT',
  ]
  return `${lines.join('\n')}\n`
}

function jumpRule({ metadataIp, metadataPort }: Redirection): string[] {
  return ['-p', 'tcp', '-d', metadataIp, '--dport', String(metadataPort), '-j', chains.output]
}
