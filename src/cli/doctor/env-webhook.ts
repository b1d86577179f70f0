import { envFilesMinor, envName, type KubeClient, type Pod, podAnnotations, resources } from '#kubernetes/client'
import { orUndefined } from '#lib'
import { recordOf } from '#lib/formats'
import { type Answer, attempt } from '../answer.ts'

/** Whether the pod asks for environment variables from files, and the webhook did not add them. */
export function lacksVariables({ metadata, spec }: Pod): boolean {
  if (metadata.annotations?.[podAnnotations.env] === undefined) return false
  return !(spec.initContainers ?? []).some(({ name }) => name === envName)
}

/** The webhook that is called for pods, by its own pods. */
export type EnvWebhook = 'none' | 'foreign' | 'without-env-files' | 'ready'

const labelSelector = 'azure-workload-identity.io/system=true'

/** Which webhook runs in the cluster: only Keymount's knows the annotation, and only with its flag. */
export async function gatherEnvWebhook(kube: KubeClient): Promise<Answer<EnvWebhook>> {
  return attempt(async () => envWebhookOf((await kube.list(resources.pods, { labelSelector })).items))
}

export function envWebhookOf(pods: readonly Pod[]): EnvWebhook {
  if (pods.length === 0) return 'none'
  const all = pods.flatMap(({ spec }) => spec.containers.map(({ args = [] }) => args))
  const ours = all.filter((args) => args.includes('controller'))
  if (ours.length === 0) return 'foreign'
  const isOn = (args: readonly string[]) => args.includes('--env-files') || args.includes('--env-files=true')
  return ours.some(isOn) ? 'ready' : 'without-env-files'
}

/** `v1.34.4`, where the API server is too old for such variables. @param version the text of its `/version` */
export function tooOldFor(version: string): string | undefined {
  const { major, minor, gitVersion } = recordOf(orUndefined(() => JSON.parse(version))) ?? {}
  const found = Number.parseInt(String(minor), 10)
  if (String(major) !== '1' || Number.isNaN(found) || found >= envFilesMinor) return undefined
  return typeof gitVersion === 'string' ? gitVersion.slice(0, 100) : `1.${found}`
}
