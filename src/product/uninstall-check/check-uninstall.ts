import type { CheckResult } from '#daemon'
import { type KubeClient, podsThatMount } from '#kubernetes/client'

/** A Job's log is read in a terminal; the rest is counted. */
const namesShown = 100

/** Whether `driver` can be uninstalled. Rejects with `KubeError` when the pods cannot be listed. */
export async function checkUninstall(kube: KubeClient, driver: string): Promise<CheckResult> {
  const pods = await podsThatMount(kube, driver)
  if (pods.length === 0) return { status: 0, text: `No pod has a volume of ${driver}: it can be uninstalled.\n` }
  const [subject, them] = pods.length === 1 ? ['1 pod has volumes', 'it'] : [`${pods.length} pods have volumes`, 'them']
  const lines = [
    `${subject} of ${driver} and would stay in Terminating without the driver:`,
    ...pods.slice(0, namesShown).map((pod) => `  ${pod}`),
    ...(pods.length > namesShown ? [`  and ${pods.length - namesShown} more`] : []),
    `Delete ${them} first. To uninstall nevertheless: helm uninstall --no-hooks`,
  ]
  return { status: 1, text: `${lines.join('\n')}\n` }
}
