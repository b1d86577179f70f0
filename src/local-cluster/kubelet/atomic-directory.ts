import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { errorCode } from '../../lib/index.ts'

export interface VolumeFile {
  /** Relative to the volume. */
  path: string
  mode: number
  data: Uint8Array
}

/**
 * Writes the files of a volume so that a reader sees all old or all new ones: into a new directory, then one rename of the
 * link `..data`. Gives false and touches nothing when the volume has these files already.
 * https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter
 */
export function writeAtomically(volume: string, files: readonly VolumeFile[], group: number | undefined): boolean {
  const stray = files.find(({ path }) => isAbsolute(path) || path.split('/').includes('..') || path.startsWith('..'))
  if (stray !== undefined) throw new Error(`path "${stray.path}" leads out of the volume`)
  const current = currentDirectory(volume)
  if (current !== undefined && holds(join(volume, current), files)) return false
  const next = mkdtempSync(join(volume, `..${new Date().toISOString().replace(/[:.]/g, '_')}.`))
  chmodSync(next, 0o755)
  for (const { path, mode, data } of files) {
    const file = join(next, path)
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    writeFileSync(file, data)
    chmodSync(file, group === undefined ? mode : mode | 0o440)
    if (group !== undefined) chownSync(file, -1, group)
  }
  const link = join(volume, '..data_tmp')
  rmSync(link, { force: true })
  symlinkSync(basename(next), link)
  renameSync(link, join(volume, '..data'))
  linkTopLevel(volume, files)
  if (current !== undefined) rmSync(join(volume, current), { recursive: true, force: true })
  return true
}

function currentDirectory(volume: string): string | undefined {
  try {
    return readlinkSync(join(volume, '..data'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Whether a directory has exactly these files. */
function holds(directory: string, files: readonly VolumeFile[]): boolean {
  const present = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return (
    present.length === files.length &&
    files.every(({ path, mode, data }) => {
      const file = join(directory, path)
      const stat = statSync(file, { throwIfNoEntry: false })
      return stat?.isFile() === true && (stat.mode & mode) === mode && readFileSync(file).equals(data)
    })
  )
}

/** Each first part of a path is a link into `..data`; links to what is gone are removed. */
function linkTopLevel(volume: string, files: readonly VolumeFile[]): void {
  const wanted = new Set(files.map(({ path }) => path.split('/')[0] ?? ''))
  const present = readdirSync(volume).filter((name) => !name.startsWith('..'))
  for (const name of present) if (!wanted.has(name)) rmSync(join(volume, name), { force: true })
  for (const name of wanted) if (!present.includes(name)) symlinkSync(join('..data', name), join(volume, name))
}
