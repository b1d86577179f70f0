/**
 * product/driver: the CSI driver of a node. It mounts memory file systems into pods, fills them with a provider's answer,
 * keeps them up to date, and records in Kubernetes what is mounted. It reaches providers only through their socket.
 */

export { type DriverConfig, driverFlags, driverProgram } from './config.ts'
export { driverLimits } from './driver-limits.ts'
export type { Mounter, MountOptions } from './mount/mounter.ts'
export { createLinuxMounter } from './mount/mounter-linux.ts'
export { createWindowsMounter } from './mount/mounter-windows.ts'
export { startDriverDaemon } from './run-driver.ts'
export { type DriverWorld, type RunningDriver, startDriver } from './start-driver.ts'
