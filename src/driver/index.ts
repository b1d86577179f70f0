/**
 * driver: the CSI node driver. It mounts memory file systems into pods, fills them with what a provider answers, keeps them
 * fresh, and tells Kubernetes what is mounted. It meets providers only at their socket.
 * Other parts import it through this file.
 */
export { type DriverConfig, driverConfig, driverFlags } from './driver-config.ts'
export type { Mounter, MountOptions } from './mounter.ts'
export { createLinuxMounter, type LinuxMounter } from './mounter-linux.ts'
export { createWindowsMounter } from './mounter-windows.ts'
export { type DriverWorld, type RunningDriver, startDriver } from './start-driver.ts'
