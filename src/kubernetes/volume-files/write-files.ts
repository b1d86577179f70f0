import { createHash, randomInt } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { SecretValue } from '#lib'
import { errorCode, type Problem, ProblemsError } from '#lib'
import { filePathProblem } from './file-path.ts'

/** One file of a volume. */
export interface VolumeFile {
  /** Relative to the volume. */
  path: string
  /** Permission bits, 0 to 0777. */
  mode: number
  contents: SecretValue
}

/** Whose the files are. Default: root's. */
export interface FileOwner {
  userId?: number | undefined
  groupId?: number | undefined
}

export interface WriteOptions {
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
  /** Windows keeps the write bit alone, has no owners, and cannot rename a link over another. */
  windows: boolean
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
export function writeFiles(target: string, files: readonly VolumeFile[], options: WriteOptions): WriteResult {
  const layout = planLayout(files, options)
  const digest = digestOf(layout)
  const current = currentDirectory(target)
  if (current !== undefined && digest === options.lastDigest && intact(target, current, layout))
    return { changed: false, digest }
  removeForeign(target, layout)
  removeLeftovers(target, current)
  if (current !== undefined && same(join(target, current), layout)) {
    linkTopLevel(target, layout)
    return { changed: false, digest }
  }
  const next = directoryName(options.now)
  try {
    writeDirectory(join(target, next), layout)
    switchTo(target, next, layout)
  } catch (error) {
    rmSync(join(target, next), { recursive: true, force: true })
    throw error
  }
  linkTopLevel(target, layout)
  if (current !== undefined) rmSync(join(target, current), { recursive: true, force: true })
  return { changed: true, digest }
}

function planLayout(given: readonly VolumeFile[], { owner = {}, platform = process.platform }: WriteOptions): Layout {
  const problems: Problem[] = []
  const files = new Map<string, VolumeFile>()
  for (const [index, file] of given.entries()) {
    const shown = file.path.length > 100 ? `${file.path.slice(0, 100)}…` : file.path
    const pathProblem = filePathProblem(file.path)
    if (pathProblem !== undefined) problems.push({ path: `files[${index}].path`, message: `"${shown}" ${pathProblem}` })
    if (!Number.isInteger(file.mode) || file.mode < 0 || file.mode > 0o777)
      problems.push({
        path: `files[${index}].mode`,
        message: `found ${file.mode} for "${shown}", expected 0 to 511 (0777)`,
      })
    files.set(file.path, { ...file, mode: modeFor(file.mode, owner) })
  }
  for (const path of files.keys()) {
    for (let parent = dirname(path); parent !== '.' && parent !== '/'; parent = dirname(parent)) {
      if (files.has(parent))
        problems.push({ path: 'files', message: `"${parent}" is both a file and the directory of "${path}"` })
    }
  }
  if (problems.length > 0) throw new ProblemsError('the files of the volume', problems)
  return { files, top: new Set([...files.keys()].map(firstName)), owner, windows: platform === 'win32' }
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
function removeForeign(target: string, { top }: Layout): void {
  for (const name of top) {
    const stat = lstatSync(join(target, name), { throwIfNoEntry: false })
    if (stat !== undefined && !stat.isSymbolicLink()) rmSync(join(target, name), { recursive: true, force: true })
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

/** What a crash in the middle of a write left behind. */
function removeLeftovers(target: string, current: string | undefined): void {
  for (const name of readdirSync(target)) {
    const leftover = name === nextLink || (isDataDirectory(name) && name !== current)
    if (leftover) rmSync(join(target, name), { recursive: true, force: true })
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
  const found = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  if (found.length !== wanted.size || found.some((path) => !wanted.has(path))) return false
  return [...files.values()].every((file) => {
    const full = join(directory, file.path)
    return sameStat(full, file, layout) && Buffer.compare(readFileSync(full), file.contents.reveal()) === 0
  })
}

function sameStat(path: string, { mode, contents }: VolumeFile, { owner, windows }: Layout): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat?.isFile() !== true || stat.size !== contents.size) return false
  if (windows) return (stat.mode & 0o200) === (mode & 0o200)
  return (
    (stat.mode & 0o777) === mode &&
    stat.uid === (owner.userId ?? process.getuid?.() ?? 0) &&
    stat.gid === (owner.groupId ?? process.getgid?.() ?? 0)
  )
}

/** UTC, and random digits so that two writes of one second differ. */
function directoryName(now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
  return `..${stamp}.${String(randomInt(1e9)).padStart(9, '0')}`
}

function writeDirectory(directory: string, { files, owner, windows }: Layout): void {
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
    if (!windows && (owner.userId !== undefined || owner.groupId !== undefined))
      chownSync(full, owner.userId ?? process.getuid?.() ?? 0, owner.groupId ?? process.getgid?.() ?? 0)
    // After chown, which clears bits; never by the mode of open(2), which the umask cuts.
    chmodSync(full, mode)
  }
}

/** `a/b` and `a` for `a/b/c`, outermost first. */
function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, i) => names.slice(0, i + 1).join('/'))
}

/** One rename; on Windows a reader may find no link for a moment. */
function switchTo(target: string, directory: string, { windows }: Layout): void {
  if (windows) rmSync(join(target, dataLink), { force: true, recursive: true })
  symlinkSync(directory, join(target, nextLink), windows ? 'dir' : undefined)
  renameSync(join(target, nextLink), join(target, dataLink))
}

/** Links for every first name, made after the switch so that none dangles, and removed when their file is gone. */
function linkTopLevel(target: string, { top }: Layout): void {
  for (const name of top) {
    const link = join(target, name)
    const wanted = join(dataLink, name)
    const found = readLink(link)
    if (found === wanted) continue
    if (found !== undefined) unlinkSync(link)
    symlinkSync(wanted, link)
  }
  for (const name of readdirSync(target)) {
    if (top.has(name) || name.startsWith('..')) continue
    if (readLink(join(target, name)) === join(dataLink, name)) unlinkSync(join(target, name))
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EINVAL') return undefined
    throw error
  }
}
