/**
 * image: builds the one container image of Keymount without Docker: bundles of the daemons, a root file system with Node
 * and the few programs and libraries it needs, and an archive that container tools load.
 * Results are kept by a hash of all that goes in, so that asking again costs milliseconds.
 * `platforms.ts` has what differs between platforms.
 */
export { type Bundles, buildBundles, processNames } from './build-bundles.ts'
export { buildRootfs, type Rootfs, type RootfsOptions } from './build-rootfs.ts'
export { entrypoint, environment, imageReference, nodeFlags, programDirectory } from './image-config.ts'
export { type Archive, type ArchiveOptions, ociArchive } from './oci-archive.ts'
export { type JsonBlob, type OciImage, ociImage, ociIndex } from './oci-image.ts'
export { type Platform, type PlatformName, platformNamed, platformOfMachine, platforms } from './platforms.ts'
