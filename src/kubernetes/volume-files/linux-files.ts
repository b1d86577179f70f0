import { chmodSync, chownSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import type { VolumeSystem } from './volume-system.ts'

const userId = () => process.getuid?.() ?? 0
const groupId = () => process.getgid?.() ?? 0

/** Exact modes and owners, and a rename that replaces a link at once. */
export const linuxFiles: VolumeSystem = {
  pathProblem: () => undefined,
  pathKey: (path) => path,
  setAccess(path, { mode, owner }) {
    if (owner.userId !== undefined || owner.groupId !== undefined)
      chownSync(path, owner.userId ?? userId(), owner.groupId ?? groupId())
    // After chown, which clears bits; never by the mode of open(2), which the umask cuts.
    chmodSync(path, mode)
  },
  hasAccess: (stat, { mode, owner }) =>
    (stat.mode & 0o777) === mode &&
    stat.uid === (owner.userId ?? userId()) &&
    stat.gid === (owner.groupId ?? groupId()),
  link: (target, path) => symlinkSync(target, path),
  linksHaveKinds: false,
  replaceLink: (from, to) => renameSync(from, to),
  remove: (path) => rmSync(path, { recursive: true, force: true }),
  discard: (path) => rmSync(path, { recursive: true, force: true }),
}
