import { readFileSync } from 'node:fs'

/**
 * Memory of a process in MiB: its share of all that it maps (Pss), and what of it no other process has.
 * https://www.kernel.org/doc/Documentation/ABI/testing/procfs-smaps_rollup
 */
export function memoryMib(pid: number): { pss: number; anonymous: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (name: string) =>
    Math.round((Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1024) * 10) / 10
  return { pss: mib('Pss'), anonymous: mib('Pss_Anon') }
}
