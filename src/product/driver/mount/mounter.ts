/** What the driver needs from the operating system. Paths are absolute; a path that is a symbolic link is refused. */
export interface Mounter {
  /** The path with every link of its parents resolved: the name under which the kernel lists its mount. Makes the parents if need be. */
  resolve(targetPath: string): Promise<string>
  /** As `resolve`, but makes nothing: undefined when nothing is there. */
  existing(targetPath: string): Promise<string | undefined>
  isMounted(target: string): Promise<boolean>
  /** Those of the targets that are mounted now, in one look. */
  mountedAmong(targets: readonly string[]): Promise<ReadonlySet<string>>
  /** Makes the directory if need be, and mounts an empty memory file system on it. */
  mount(target: string, options: MountOptions): Promise<void>
  /** Empties and unmounts, until nothing is mounted there any more. Nothing mounted is success. The directory stays. */
  unmount(target: string): Promise<void>
}

export interface MountOptions {
  /** Most bytes that the files may take. */
  sizeBytes: number
}
