import { createKubeClient, type KubeClient } from '#kubernetes/client'
import type { FlagSpecs, Program } from '#lib/flags'
import { clusterConfig } from './cluster-config.ts'
import { runMain } from './run-main.ts'

/** What a program that looks at the cluster once has found. */
export interface CheckResult {
  /** Of the process: 0 if all is well, 1 if not. */
  status: 0 | 1
  /** What to print, with a line end. */
  text: string
}

/** The life of a program that looks at the cluster, prints what it has found, and ends with a status. */
export function runCheck<S extends FlagSpecs, Config extends { kubeconfig: string }>(
  program: Program<S, Config>,
  check: (kube: KubeClient, config: Config) => Promise<CheckResult>,
): void {
  runMain(program, async (config, env) => {
    const kube = createKubeClient(clusterConfig(config.kubeconfig, env))
    try {
      const { status, text } = await check(kube, config)
      process.stdout.write(text)
      return status
    } finally {
      kube.close()
    }
  })
}
