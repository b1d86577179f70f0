import type { Stats } from 'node:fs'

/** Whose the files are. Default: root's. */
export interface FileOwner {
  userId?: number | undefined
  groupId?: number | undefined
}

/** Permission bits, 0 to 0777, and the owner of a file. */
export interface Access {
  mode: number
  owner: FileOwner
}

/** What differs between systems when the files of a volume are written; `writeFiles()` has no case for a system. */
export interface VolumeSystem {
  /** Why this system cannot have a file at this relative path, or undefined; beyond the rules of every system. */
  pathProblem(path: string): string | undefined
  /** Two paths with the same key are one file. */
  pathKey(path: string): string
  setAccess(path: string, access: Access): void
  /** Whether a file has the access that {@link setAccess} would give it. */
  hasAccess(stat: Stats, access: Access): boolean
  /** @param kind of what the link leads to. */
  link(target: string, path: string, kind: 'file' | 'directory'): void
  /** Whether a link has to be made again when what it leads to is no longer of the same kind. */
  linksHaveKinds: boolean
  /** Gives the link at `from` the name `to`, where there may be a link already. */
  replaceLink(from: string, to: string): void
  /** Removes a link, a file, or a directory with its content, if it exists. */
  remove(path: string): void
  /** As {@link remove}, for what a volume no longer needs: what a reader holds may stay until the next write. */
  discard(path: string): void
}
