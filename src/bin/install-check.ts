import { runCheck } from '#daemon'
import { checkInstall, installCheckProgram } from '#product/install-check'

runCheck(installCheckProgram, checkInstall)
