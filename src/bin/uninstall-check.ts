import { clusterConfig, runMain } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { checkUninstall, uninstallCheckProgram } from '#product/uninstall-check'

runMain(uninstallCheckProgram, async ({ driver, kubeconfig }, env) => {
  const kube = createKubeClient(clusterConfig(kubeconfig, env))
  try {
    const { status, text } = await checkUninstall(kube, driver)
    process.stdout.write(text)
    return status
  } finally {
    kube.close()
  }
})
