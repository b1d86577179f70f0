import { explainFailure, holdsCapability, packetFilters, type RunProgram } from '#kubernetes/netfilter'
import type { Log } from '#lib'

/** What is redirected where, and who is left alone. */
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

/**
 * Redirects the pod's TCP connections for IMDS to the proxy, in the network namespace of this process. One transaction, which
 * may be repeated: a container that is started again changes nothing. IPv4 only, because IMDS has no other address.
 * Throws when the process may not, or the node has neither packet filter.
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
    const jump = await run(program, ['iptables', '-t', 'nat', '-C', 'OUTPUT', ...jumpRule(redirection)], '')
    const result = await run(program, ['iptables-restore', '--noflush'], rules(redirection, jump.status === 0))
    if (result.status === 0) {
      log.info({ ...redirection, filter: name }, 'connections for the metadata address go to the proxy')
      return
    }
    failures.push(explainFailure(filter, result, processStatus))
  }
  throw new Error(`no packet filter of the node could be used: ${failures.join('; ')}`)
}

/** For `iptables-restore --noflush`: chains that are named are emptied first, those of others stay. */
function rules(redirection: Redirection, jumpIsThere: boolean): string {
  const lines = [
    '*nat',
    `:${chains.output} - [0:0]`,
    `:${chains.redirect} - [0:0]`,
    `-A ${chains.redirect} -p tcp -j REDIRECT --to-ports ${redirection.proxyPort}`,
    `-A ${chains.output} -m owner --uid-owner ${redirection.proxyUid} -j ACCEPT`,
    `-A ${chains.output} -j ${chains.redirect}`,
    ...(jumpIsThere ? [] : [`-A OUTPUT ${jumpRule(redirection).join(' ')}`]),
    'COMMIT',
  ]
  return `${lines.join('\n')}\n`
}

function jumpRule({ metadataIp, metadataPort }: Redirection): string[] {
  return ['-p', 'tcp', '-d', metadataIp, '--dport', String(metadataPort), '-j', chains.output]
}
