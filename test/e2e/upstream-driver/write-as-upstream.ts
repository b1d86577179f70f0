import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { File } from '#kubernetes/provider-protocol'

/**
 * The files of a volume as the upstream driver 1.6.0 lays them out: a dated directory of mode 0755, files with exactly the
 * provider's mode, links before the switch. Its copy of kubelet's writer is that of Kubernetes 1.20:
 * https://github.com/kubernetes/kubernetes/blob/v1.20.6/pkg/volume/util/atomic_writer.go
 */
export function writeAsUpstream(target: string, files: readonly File[]): void {
  const link = join(target, '..data')
  const old = existsSync(link) ? join(target, readlinkSync(link)) : undefined
  if (old !== undefined && holds(old, files)) return
  const next = mkdtempSync(join(target, `..${dateText(new Date())}.`))
  chmodSync(next, 0o755)
  for (const { path, contents, mode } of files) {
    const file = join(next, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, contents)
    chmodSync(file, mode)
  }
  const names = new Set(files.map(({ path }) => path.split('/', 1)[0] ?? path))
  for (const name of names) {
    if (lstatSync(join(target, name), { throwIfNoEntry: false }) === undefined)
      symlinkSync(join('..data', name), join(target, name))
  }
  // It fails when a crash has left the link behind, as it does there.
  symlinkSync(basename(next), join(target, '..data_tmp'))
  renameSync(join(target, '..data_tmp'), link)
  for (const name of readdirSync(target)) {
    if (!name.startsWith('..') && !names.has(name)) rmSync(join(target, name))
  }
  if (old !== undefined) rmSync(old, { recursive: true })
}

/** Contents alone are compared, not modes. */
function holds(directory: string, files: readonly File[]): boolean {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return (
    found.length === files.length &&
    files.every(({ path, contents }) => {
      const file = join(directory, path)
      return existsSync(file) && Buffer.compare(readFileSync(file), contents) === 0
    })
  )
}

/** `2026_04_30_10_11_12`, in UTC. */
function dateText(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
}
