/** What the driver needs from the operating system. Paths are absolute; a path that is a symbolic link is refused. */
export interface Mounter {
  /** The path with every link of its parents resolved: the name under which the kernel lists its mount. Creates missing parents. */
  resolve(targetPath: string): Promise<string>
  /** As {@link resolve}, but creates nothing: undefined when nothing is there. */
  existing(targetPath: string): Promise<string | undefined>
  isMounted(target: string): Promise<boolean>
  /** Those of the targets that are mounted. */
  mountedAmong(targets: readonly string[]): Promise<ReadonlySet<string>>
  /** Every path at which a volume may be mounted, by this driver or another program. */
  mounted(): Promise<ReadonlySet<string>>
  /** Creates the directory if it is missing, and mounts an empty memory file system on it. */
  mount(target: string, options: MountOptions): Promise<void>
  /** Makes room for `bytes` more in a mounted volume. */
  makeRoom(target: string, bytes: number): Promise<void>
  /** Memory that a mounted volume takes, in bytes; 0 where volumes are on disk. */
  memoryOf(target: string): Promise<number>
  /** Empties and unmounts until nothing is mounted there. Nothing mounted is success. The directory stays. */
  unmount(target: string): Promise<void>
}

export interface MountOptions {
  /** Size of the file system in bytes; {@link Mounter.makeRoom} makes it larger. */
  sizeBytes: number
}
