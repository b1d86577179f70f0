import { isDown, type ProductDeployment, readinessOf } from '#lab/home'
import { commandLine } from '#terminal'
import { fail, type Observation, warn } from '../step.ts'

/** K2 of the cluster: operator, sync controller, webhook and MIC, as far as they are installed. None for those that are ready. */
export function judgeDeployments(deployments: readonly ProductDeployment[]): Observation[] {
  return deployments.flatMap((deployment) => {
    const { ready, wanted } = deployment
    if (!isDown(deployment) && ready >= wanted) return []
    const judge = isDown(deployment) ? fail : warn
    return [judge('deployment-not-ready', notReadyText(deployment), commandsOf(deployment))]
  })
}

/** `Deployment kube-system/keymount-operator: 0 of 1 ready`. */
export function notReadyText(deployment: ProductDeployment): string {
  return `Deployment ${deployment.namespace}/${deployment.name}: ${readinessOf(deployment)}`
}

function commandsOf({ namespace, name, wanted }: ProductDeployment): string[] {
  const where = ['--namespace', namespace]
  if (wanted === 0) return [commandLine('kubectl', 'scale', `deployment/${name}`, '--replicas', '1', ...where)]
  return [
    commandLine('kubectl', 'describe', 'deployment', name, ...where),
    `${commandLine('kubectl', 'rollout', 'status', `deployment/${name}`, ...where)} --timeout 1m`,
  ]
}
