import { join } from 'node:path'
import { envFilesMinor, podAnnotations } from '#kubernetes/client'
import { checkPodLabel, restartFix } from '../../identity/doctor/check-pod.ts'
import { checkWebhook, identityWebhook } from '../../identity/doctor/check-webhook.ts'
import { addEnvFilesCommands } from '../../identity/doctor/installation.ts'
import { type EnvWebhook, lacksVariables, tooOldFor } from '../env-webhook.ts'
import type { PodFacts } from '../pod-facts.ts'
import { fail, type Observation } from '../step.ts'

/** I2: a pod that asks for environment variables, and runs without them because no webhook has added them. */
export function judgeEnvAdded(
  { cluster, envWebhook }: Pick<PodFacts, 'cluster' | 'envWebhook'>,
  { packageRoot, tenantId }: { packageRoot: string; tenantId: string },
): Observation[] {
  if (!lacksVariables(cluster.pod)) return []
  const { text, fix } = causeOf(cluster, envWebhook, { packageRoot, tenantId })
  return [fail('env-not-added', `the pod has ${podAnnotations.env} and got no variables: ${text}`, fix)]
}

interface Cause {
  text: string
  fix: readonly string[]
}

/** The first thing to repair: a pod that is created again before it gets no variables either, or is refused. */
function causeOf(
  cluster: PodFacts['cluster'],
  webhook: PodFacts['envWebhook'],
  { packageRoot, tenantId }: { packageRoot: string; tenantId: string },
): Cause {
  const { pod, owner, configurations, namespace, installation, version } = cluster
  const restart = restartFix(pod, owner)
  const tooOld = 'value' in version ? tooOldFor(version.value) : undefined
  if (tooOld !== undefined) {
    return {
      text: `the API server is ${tooOld}, and they need Kubernetes 1.${envFilesMinor} or newer`,
      fix: ['kubectl version'],
    }
  }
  const found: EnvWebhook | undefined = webhook !== undefined && 'value' in webhook ? webhook.value : undefined
  const chart = join(packageRoot, 'charts/keymount')
  const add = (isInstalled: boolean) => {
    const commands = addEnvFilesCommands(installation, chart, { isInstalled, tenantId })
    return commands.length === 0 ? ['keymount explain env-not-added'] : [...commands, ...restart]
  }
  if ('value' in configurations && identityWebhook(configurations.value) === undefined) {
    return { text: 'no webhook of Keymount is installed in this cluster', fix: add(false) }
  }
  if (found === 'foreign') {
    return { text: 'the webhook of this cluster is not Keymount’s, which alone knows the annotation', fix: add(false) }
  }
  if (found === 'without-env-files') {
    return { text: 'the webhook does not add variables (--env-files)', fix: add(true) }
  }
  const called = checkWebhook({ pod, configurations, namespace, installCommand: '' })
  if (called.status === 'problem') return { text: called.text, fix: [...(called.fix ?? []), ...restart] }
  const label = checkPodLabel({ pod, owner })
  if (label.status === 'problem') return { text: label.text, fix: label.fix ?? [] }
  return { text: 'there was no webhook when it was created', fix: restart }
}
