import { explainFailure, type PacketFilter, packetFilters } from '#kubernetes/netfilter'
import { type Clock, errorMessage, type Log, type Running, type RunProgram, repeat } from '#lib'

export interface Redirection {
  metadataIp: string
  metadataPort: number
  /** Where the node endpoint listens. */
  nmiIp: string
  nmiPort: number
}

export interface RedirectOptions {
  redirection: Redirection
  /** Between two checks of the rules. */
  checkMs: number
  run: RunProgram
  /** The text of /proc/self/status. */
  processStatus: string
  log: Log
  clock: Clock
}

export interface Redirect extends Running {
  /** Whether the rules were in place at the last check. */
  inPlace(): boolean
}

/** Upstream's name, which administrators look for. */
const chain = 'aad-metadata'

/**
 * Redirects connections of pods for IMDS to the node endpoint: a chain of its own, which every packet of a pod passes first.
 * Other programs write the same table, so the chain is checked regularly and restored when it has changed. `stop` removes it,
 * and pods reach IMDS again. Rejects when the rules cannot be installed at all.
 */
export async function redirectPods(options: RedirectOptions): Promise<Redirect> {
  const { checkMs, log, clock } = options
  const filter = await firstUsable(options)
  let inPlace = true
  log.info({ ...options.redirection, filter: filter.name }, 'connections of pods for IMDS go to the node endpoint')

  const checking = repeat(
    async () => {
      try {
        if (!(await isInstalled(filter, options))) {
          await install(filter, options)
          log.warn({ chain }, 'the rules for IMDS had changed and were restored')
        }
        inPlace = true
      } catch (error) {
        inPlace = false
        log.error({ err: error, chain }, `the rules for IMDS are not in place: ${errorMessage(error)}`)
      }
      return checkMs
    },
    { clock, firstMs: checkMs },
  )
  let stopping: Promise<void> | undefined
  return {
    inPlace: () => inPlace,
    stop() {
      stopping ??= (async () => {
        await checking.stop()
        inPlace = false
        await remove(filter, options)
        log.info({ chain }, 'removed the rules for IMDS')
      })()
      return stopping
    },
  }
}

async function firstUsable(options: RedirectOptions): Promise<PacketFilter> {
  const failures: string[] = []
  for (const filter of packetFilters) {
    try {
      await install(filter, options)
      return filter
    } catch (error) {
      failures.push(errorMessage(error))
    }
  }
  throw new Error(
    `no packet filter of the node can be used: ${failures.join('; ')}; the container needs the capabilities NET_ADMIN and NET_RAW`,
  )
}

const jump = `PREROUTING -j ${chain}`

async function isInstalled(filter: PacketFilter, options: RedirectOptions): Promise<boolean> {
  const [own, all] = [await listRules(chain, filter, options), await listRules('PREROUTING', filter, options)]
  return own.join('\n') === rulesOf(options.redirection).join('\n') && all[0] === `-A ${jump}`
}

/** The rules as `iptables -S` prints them, without the chain's own line. */
function rulesOf({ metadataIp, metadataPort, nmiIp, nmiPort }: Redirection): string[] {
  return [
    `-A ${chain} ! -s 127.0.0.1/32 -d ${metadataIp}/32 -p tcp -m tcp --dport ${metadataPort} -j DNAT --to-destination ${nmiIp}:${nmiPort}`,
    `-A ${chain} -j RETURN`,
  ]
}

/** One transaction: a packet meets either the old rules or all of the new ones. */
async function install(filter: PacketFilter, options: RedirectOptions): Promise<void> {
  const jumps = await countJumps(filter, options)
  await restore(filter, options, [
    `:${chain} - [0:0]`,
    ...rulesOf(options.redirection),
    ...Array<string>(jumps).fill(`-D ${jump}`),
    `-I PREROUTING 1 -j ${chain}`,
  ])
}

async function remove(filter: PacketFilter, options: RedirectOptions): Promise<void> {
  const jumps = await countJumps(filter, options)
  await restore(filter, options, [`:${chain} - [0:0]`, ...Array<string>(jumps).fill(`-D ${jump}`), `-X ${chain}`])
}

async function countJumps(filter: PacketFilter, options: RedirectOptions): Promise<number> {
  return (await listRules('PREROUTING', filter, options)).filter((line) => line === `-A ${jump}`).length
}

/** The rules of a chain as `iptables -S` prints them; none for a chain that does not exist. */
async function listRules(name: string, { program }: PacketFilter, { run }: RedirectOptions): Promise<string[]> {
  const { stdout } = await run({ program, args: ['iptables', '-w', '-t', 'nat', '-S', name] })
  return stdout.split('\n').filter((line) => line.startsWith('-A'))
}

async function restore(
  filter: PacketFilter,
  { run, processStatus }: RedirectOptions,
  lines: readonly string[],
): Promise<void> {
  // -w: kube-proxy and others write the same table.
  const input = ['*nat', ...lines, 'COMMIT', ''].join('\n')
  const result = await run({ program: filter.program, args: ['iptables-restore', '-w', '--noflush'], input })
  if (result.status !== 0) throw new Error(explainFailure(filter, result, processStatus))
}
