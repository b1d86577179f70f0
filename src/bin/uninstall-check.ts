import { runCheck } from '#daemon'
import { checkUninstall, uninstallCheckProgram } from '#product/uninstall-check'

runCheck(uninstallCheckProgram, (kube, { driver }) => checkUninstall(kube, driver))
