/**
 * driver: the CSI node driver. It mounts memory file systems into pods, fills them with what a provider answers, keeps them
 * fresh, and tells Kubernetes what is mounted. It meets providers only at their socket.
 * Other parts import it through this file.
 */
export { type DriverConfig, driverFlags, driverProgram } from './config.ts'
export type { Mounter, MountOptions } from './mount/mounter.ts'
export { createLinuxMounter, type LinuxMounter } from './mount/mounter-linux.ts'
export { createWindowsMounter } from './mount/mounter-windows.ts'
export { startDriverDaemon } from './run-driver.ts'
export { type DriverWorld, type RunningDriver, startDriver } from './start-driver.ts'
