import { clusterConfig, runMain } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { checkInstall, installCheckProgram } from '#product/install-check'

runMain(installCheckProgram, async ({ kubeconfig, ...config }, env) => {
  const kube = createKubeClient(clusterConfig(kubeconfig, env))
  try {
    const { status, text } = await checkInstall(kube, config)
    process.stdout.write(text)
    return status
  } finally {
    kube.close()
  }
})
