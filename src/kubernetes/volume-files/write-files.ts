import { createHash, randomInt } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import type { SecretValue } from '#lib'
import { errorCode, type Problem, ProblemsError } from '#lib'
import { filePathProblem } from './file-path.ts'
import { linuxFiles } from './linux-files.ts'
import type { FileOwner, VolumeSystem } from './volume-system.ts'
import { windowsFiles } from './windows-files.ts'

/** One file of a volume. */
export interface VolumeFile {
  /** Relative to the volume. */
  path: string
  /** Permission bits, 0 to 0777. */
  mode: number
  contents: SecretValue
}

export interface WriteFilesOptions {
  owner?: FileOwner | undefined
  now: Date
  /** Digest that the last write of this volume gave: then equal content is recognised without opening a file. */
  lastDigest?: string | undefined
  /** Default: the one that this runs on. */
  platform?: NodeJS.Platform
}

export interface WriteResult {
  changed: boolean
  /** Stands for all paths, modes, owners and contents. */
  digest: string
}

const dataLink = '..data'
const nextLink = '..data_tmp'

interface Layout {
  files: ReadonlyMap<string, VolumeFile>
  /** First names of all paths: what a reader sees in the volume. */
  top: ReadonlySet<string>
  owner: FileOwner
  system: VolumeSystem
}

/**
 * Makes the files of a volume exactly `files`: a reader sees the old ones or the new ones, never a mix.
 *
 *   target/..2026_04_30_10_11_12.123456789/db/password     the content
 *   target/..data -> ..2026_04_30_10_11_12.123456789       switched by one rename
 *   target/db     -> ..data/db
 *
 * Equal content touches nothing, so that programs that watch the volume are not woken. Throws {@link ProblemsError} for unusable
 * paths or modes before anything is touched; when a write fails, the old files stay.
 * The layout is kubelet's: https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
 *
 * Synchronous on purpose: on tmpfs each call is a memory copy of microseconds, less than a trip to the thread pool.
 */
export function writeFiles(target: string, files: readonly VolumeFile[], options: WriteFilesOptions): WriteResult {
  const layout = planLayout(files, options)
  const digest = digestOf(layout)
  const current = currentDirectory(target)
  if (current !== undefined && digest === options.lastDigest && intact(target, current, layout))
    return { changed: false, digest }
  removeForeign(target, layout)
  removeLeftovers(target, layout, current)
  if (current !== undefined && same(join(target, current), layout)) {
    linkTopLevel(target, layout)
    return { changed: false, digest }
  }
  const next = directoryName(options.now)
  const { system } = layout
  try {
    writeDirectory(join(target, next), layout)
    system.link(next, join(target, nextLink), 'directory')
    system.replaceLink(join(target, nextLink), join(target, dataLink))
  } catch (error) {
    system.discard(join(target, next))
    throw error
  }
  linkTopLevel(target, layout, current)
  if (current !== undefined) system.discard(join(target, current))
  return { changed: true, digest }
}

function planLayout(
  given: readonly VolumeFile[],
  { owner = {}, platform = process.platform }: WriteFilesOptions,
): Layout {
  const problems: Problem[] = []
  const files = new Map<string, VolumeFile>()
  const system = platform === 'win32' ? windowsFiles : linuxFiles
  for (const [index, file] of given.entries()) {
    const shown = file.path.length > 100 ? `${file.path.slice(0, 100)}…` : file.path
    const pathProblem = filePathProblem(file.path) ?? system.pathProblem(file.path)
    if (pathProblem !== undefined) problems.push({ path: `files[${index}].path`, message: `"${shown}" ${pathProblem}` })
    if (!Number.isInteger(file.mode) || file.mode < 0 || file.mode > 0o777)
      problems.push({
        path: `files[${index}].mode`,
        message: `found ${file.mode} for "${shown}", expected 0 to 511 (0777)`,
      })
    files.set(file.path, { ...file, mode: modeFor(file.mode, owner) })
  }
  problems.push(...collisions([...files.keys()], system))
  if (problems.length > 0) throw new ProblemsError('the files of the volume', problems)
  return { files, top: new Set([...files.keys()].map(firstName)), owner, system }
}

/** Names that the system takes for one, and files in the place of a directory. */
function collisions(paths: readonly string[], { pathKey }: VolumeSystem): Problem[] {
  const problems: Problem[] = []
  const add = (message: string) => problems.push({ path: 'files', message })
  const files = new Map<string, string>()
  for (const path of paths) {
    const other = files.get(pathKey(path))
    if (other !== undefined) add(`"${other}" and "${path}" are one file here`)
    files.set(pathKey(path), path)
  }
  const directories = new Map<string, string>()
  for (const path of paths) {
    for (const parent of parentsOf(path)) {
      const file = files.get(pathKey(parent))
      const other = directories.get(pathKey(parent)) ?? parent
      if (file !== undefined) add(`"${file}" is both a file and the directory of "${path}"`)
      if (other !== parent) add(`"${other}" and "${parent}" are one directory here`)
      directories.set(pathKey(parent), other)
    }
  }
  return problems
}

/** A group that the pod asked for gets to read what the owner may read: without it a 0400 file is useless to a non-root pod. */
function modeFor(mode: number, { groupId, userId }: FileOwner): number {
  return groupId === undefined || userId !== undefined ? mode : mode | ((mode & 0o500) >> 3)
}

function firstName(path: string): string {
  return path.split('/', 1)[0] ?? path
}

function digestOf({ files, owner }: Layout): string {
  const hash = createHash('sha256').update(`${owner.userId}:${owner.groupId}`)
  for (const [path, { mode, contents }] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    // Lengths in front, or "ab"+"c" would equal "a"+"bc".
    hash.update(`\0${Buffer.byteLength(path)}:${path}:${mode}:${contents.size}:`).update(contents.reveal())
  }
  return hash.digest('base64')
}

/** Earlier writers put plain entries into the volume itself, which would be in the way of our links. */
function removeForeign(target: string, { top, system }: Layout): void {
  for (const name of top) {
    const stat = lstatSync(join(target, name), { throwIfNoEntry: false })
    if (stat !== undefined && !stat.isSymbolicLink()) system.remove(join(target, name))
  }
}

function currentDirectory(target: string): string | undefined {
  const directory = readLink(join(target, dataLink))
  if (directory === undefined || !isDataDirectory(directory)) return undefined
  return lstatSync(join(target, directory), { throwIfNoEntry: false })?.isDirectory() ? directory : undefined
}

/** Our directories begin with two dots and are one level deep; a link to anywhere else is not followed. */
function isDataDirectory(name: string): boolean {
  return name.startsWith('..') && name !== '..' && name !== dataLink && name !== nextLink && !name.includes('/')
}

/** What a crash in the middle of a write left behind, or a reader held. */
function removeLeftovers(target: string, { system }: Layout, current: string | undefined): void {
  for (const name of readdirSync(target)) {
    if (name === nextLink) system.remove(join(target, name))
    else if (isDataDirectory(name) && name !== current) system.discard(join(target, name))
  }
}

/**
 * Whether what we wrote is still there, by names, sizes and modes alone: nothing is opened, not even a directory, so that
 * programs that watch the volume get no event.
 */
function intact(target: string, current: string, layout: Layout): boolean {
  const linked = [...layout.top].every((name) => readLink(join(target, name)) === join(dataLink, name))
  return linked && [...layout.files.values()].every((file) => sameStat(join(target, current, file.path), file, layout))
}

/** Whether the directory holds this layout and nothing else. */
function same(directory: string, layout: Layout): boolean {
  const { files } = layout
  const wanted = new Set([...files.keys()].flatMap((path) => [path, ...parentsOf(path)]))
  const found = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map(withSlashes)
  if (found.length !== wanted.size || found.some((path) => !wanted.has(path))) return false
  return [...files.values()].every((file) => {
    const full = join(directory, file.path)
    return sameStat(full, file, layout) && Buffer.compare(readFileSync(full), file.contents.reveal()) === 0
  })
}

function withSlashes(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/')
}

function sameStat(path: string, { mode, contents }: VolumeFile, { owner, system }: Layout): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size === contents.size && system.hasAccess(stat, { mode, owner })
}

/** UTC, and random digits so that two writes of one second differ. */
function directoryName(now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
  return `..${stamp}.${String(randomInt(1e9)).padStart(9, '0')}`
}

function writeDirectory(directory: string, { files, owner, system }: Layout): void {
  mkdirSync(directory)
  chmodSync(directory, 0o755)
  const made = new Set<string>()
  for (const { path, mode, contents } of files.values()) {
    const full = join(directory, path)
    for (const parent of parentsOf(path)) {
      if (made.has(parent)) continue
      made.add(parent)
      mkdirSync(join(directory, parent))
      chmodSync(join(directory, parent), 0o755)
    }
    writeFileSync(full, contents.reveal(), { mode: 0o600, flag: 'wx' })
    system.setAccess(full, { mode, owner })
  }
}

/** `a/b` and `a` for `a/b/c`, outermost first. */
function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, i) => names.slice(0, i + 1).join('/'))
}

/**
 * Links for every first name, made after the switch so that none dangles, and removed when their file is gone.
 * @param previous the directory before the switch; undefined when there was none, or it is the same.
 */
function linkTopLevel(target: string, { top, system }: Layout, previous?: string): void {
  for (const name of top) {
    const link = join(target, name)
    const wanted = join(dataLink, name)
    const found = readLink(link)
    const kind = kindOf(join(target, dataLink, name))
    const was = previous === undefined ? kind : (kindOf(join(target, previous, name)) ?? kind)
    if (found === wanted && (was === kind || !system.linksHaveKinds)) continue
    if (found !== undefined) system.remove(link)
    system.link(wanted, link, kind ?? 'file')
  }
  for (const name of readdirSync(target)) {
    if (top.has(name) || name.startsWith('..')) continue
    if (readLink(join(target, name)) === join(dataLink, name)) system.remove(join(target, name))
  }
}

function kindOf(path: string): 'file' | 'directory' | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  return stat.isDirectory() ? 'directory' : 'file'
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    // UNKNOWN: what libuv makes of the Windows error for a file without a link.
    if (['ENOENT', 'EINVAL', 'UNKNOWN'].includes(errorCode(error) ?? '')) return undefined
    throw error
  }
}
