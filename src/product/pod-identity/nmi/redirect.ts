import { explainFailure, type PacketFilter, packetFilters, type RunProgram } from '#kubernetes/netfilter'
import { type Clock, errorMessage, type Log, type Running, sleep } from '#lib'

export interface Redirection {
  metadataIp: string
  metadataPort: number
  /** Where the node endpoint listens. */
  nmiIp: string
  nmiPort: number
}

export interface RedirectOptions {
  redirection: Redirection
  /** Between two looks whether the rules still stand. */
  checkMs: number
  run: RunProgram
  /** The text of /proc/self/status. */
  processStatus: string
  log: Log
  clock: Clock
}

export interface Redirect extends Running {
  /** Whether the rules stood when they were last looked at. */
  inPlace(): boolean
}

/** Upstream's name, by which people look for it. */
const chain = 'aad-metadata'

/**
 * Sends what pods have for IMDS to the node endpoint: a chain of its own, which every packet that comes from a pod passes
 * first. Other programs write the same table, so the chain is looked at now and then and made anew when it is not as it
 * should be. `stop` takes it away, and pods reach IMDS again. Rejects when the rules cannot be made at all.
 */
export async function redirectPods(options: RedirectOptions): Promise<Redirect> {
  const { checkMs, log, clock } = options
  const abort = new AbortController()
  const { signal } = abort
  const filter = await firstUsable(options)
  let inPlace = true
  log.info({ ...options.redirection, filter: filter.name }, 'what pods have for IMDS goes to the node endpoint')

  async function keep(): Promise<void> {
    while (!signal.aborted) {
      await sleep(checkMs, { clock, signal }).catch(() => undefined)
      if (signal.aborted) return
      try {
        if (!(await stands(filter, options))) {
          await install(filter, options)
          log.warn({ chain }, 'the rules for IMDS were not as they should be, and were made anew')
        }
        inPlace = true
      } catch (error) {
        inPlace = false
        log.error({ err: error, chain }, `the rules for IMDS do not stand: ${errorMessage(error)}`)
      }
    }
  }

  const keeping = keep()
  let stopping: Promise<void> | undefined
  return {
    inPlace: () => inPlace,
    stop() {
      stopping ??= (async () => {
        abort.abort(new Error('stopped'))
        await keeping
        inPlace = false
        await remove(filter, options)
        log.info({ chain }, 'the rules for IMDS are taken away')
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
    `no packet filter of the node could be used: ${failures.join('; ')}; the container needs the capabilities NET_ADMIN and NET_RAW`,
  )
}

/** The rules as `iptables -S` prints them, without the chain's own line. */
function rules({ metadataIp, metadataPort, nmiIp, nmiPort }: Redirection): string[] {
  return [
    `-A ${chain} ! -s 127.0.0.1/32 -d ${metadataIp}/32 -p tcp -m tcp --dport ${metadataPort} -j DNAT --to-destination ${nmiIp}:${nmiPort}`,
    `-A ${chain} -j RETURN`,
  ]
}

const jump = `PREROUTING -j ${chain}`

async function stands({ program }: PacketFilter, { run, redirection }: RedirectOptions): Promise<boolean> {
  const list = async (name: string) => {
    const { stdout } = await run(program, ['iptables', '-w', '-t', 'nat', '-S', name], '')
    return stdout.split('\n').filter((line) => line.startsWith('-A'))
  }
  const [own, all] = [await list(chain), await list('PREROUTING')]
  return own.join('\n') === rules(redirection).join('\n') && all[0] === `-A ${jump}`
}

/** One transaction: a packet meets the rules of before or all of the new ones. */
async function install(filter: PacketFilter, options: RedirectOptions): Promise<void> {
  const jumps = await countJumps(filter, options)
  await restore(filter, options, [
    `:${chain} - [0:0]`,
    ...rules(options.redirection),
    ...Array<string>(jumps).fill(`-D ${jump}`),
    `-I PREROUTING 1 -j ${chain}`,
  ])
}

async function remove(filter: PacketFilter, options: RedirectOptions): Promise<void> {
  const jumps = await countJumps(filter, options)
  await restore(filter, options, [`:${chain} - [0:0]`, ...Array<string>(jumps).fill(`-D ${jump}`), `-X ${chain}`])
}

async function countJumps({ program }: PacketFilter, { run }: RedirectOptions): Promise<number> {
  const { stdout } = await run(program, ['iptables', '-w', '-t', 'nat', '-S', 'PREROUTING'], '')
  return stdout.split('\n').filter((line) => line === `-A ${jump}`).length
}

async function restore(
  filter: PacketFilter,
  { run, processStatus }: RedirectOptions,
  lines: readonly string[],
): Promise<void> {
  // -w: kube-proxy and others write the same table.
  const text = ['*nat', ...lines, 'COMMIT', ''].join('\n')
  const result = await run(filter.program, ['iptables-restore', '-w', '--noflush'], text)
  if (result.status !== 0) throw new Error(explainFailure(filter, result, processStatus))
}
