import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The network namespaces in which a process is. */
export function networkNamespaces(): Set<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return new Set(
    pids.flatMap((pid) => {
      try {
        return [readlinkSync(`/proc/${pid}/ns/net`)]
      } catch {
        return []
      }
    }),
  )
}

/** The links of this process's network. */
export function linksOfMachine(): string[] {
  const lines = readFileSync('/proc/net/dev', 'utf8').split('\n')
  return lines.flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? [])
}
