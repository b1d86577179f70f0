/**
 * install-check: `keymount install-check`, which `helm test` runs: fails with what is not working of a release, after it has
 * waited for it.
 */
export { checkInstall } from './check-install.ts'
export { type InstallCheckConfig, installCheckFlags, installCheckProgram } from './config.ts'
