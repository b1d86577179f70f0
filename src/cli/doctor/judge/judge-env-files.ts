import { type Container, envFilesMinor, type Pod } from '#kubernetes/client'
import { codesIn } from '#product/error-catalogue'
import { commandLine } from '#terminal'
import type { PodFacts } from '../pod-facts.ts'
import { fail, type Observation } from '../step.ts'

/** K3: environment variables from files: an init container that could not write them, and a kubelet that does not read them. */
export function judgeEnvFiles({ cluster: { pod }, node }: Pick<PodFacts, 'cluster' | 'node'>): Observation[] {
  return [...judgeInitContainers(pod), ...(node === undefined ? [] : judgeKubelet(pod, node))]
}

/** The message of an init container that failed ends with the code. */
function judgeInitContainers({ metadata, status }: Pod): Observation[] {
  return (status?.initContainerStatuses ?? []).flatMap(({ name, state, lastState }) => {
    const { exitCode = 0, message = '' } = state?.terminated ?? lastState?.terminated ?? {}
    const code = exitCode === 0 ? undefined : codesIn(message).findLast((one) => one.startsWith('env-'))
    if (code === undefined) return []
    const words = ['kubectl', 'logs', metadata.name ?? '', '--container', name, '--namespace', metadata.namespace ?? '']
    return [fail(code, `init container ${name}: ${message.trim().slice(0, 1000)}`, [commandLine(...words)])]
  })
}

function judgeKubelet({ spec }: Pod, { node, name }: NonNullable<PodFacts['node']>): Observation[] {
  const containers: Container[] = [...(spec.initContainers ?? []), ...spec.containers]
  const uses = containers.filter(({ env = [] }) => env.some(({ valueFrom }) => valueFrom?.fileKeyRef !== undefined))
  const version = 'value' in node ? node.value?.status?.nodeInfo?.kubeletVersion : undefined
  const minor = Number(/^v1\.(\d{1,4})\./.exec(version ?? '')?.[1] ?? envFilesMinor)
  if (uses.length === 0 || minor >= envFilesMinor) return []
  const names = uses.map((container) => container.name).join(', ')
  const text = `kubelet of ${name} is ${version}, and reads no environment variables from files (1.${envFilesMinor}): they are empty in ${names}`
  return [fail('env-node-too-old', text, [commandLine('kubectl', 'get', 'nodes')])]
}
