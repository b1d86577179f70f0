/**
 * uninstall-check: `keymount uninstall-check`, which the chart runs before `helm uninstall` (`uninstallCheck.enabled`): fails
 * with the names of the pods that have volumes of the driver, because kubelet cannot unmount them without it.
 */
export { checkUninstall } from './check-uninstall.ts'
export { type UninstallCheckConfig, uninstallCheckFlags, uninstallCheckProgram } from './config.ts'
