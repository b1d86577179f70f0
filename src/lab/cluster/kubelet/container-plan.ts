import type { Container, Pod } from '#kubernetes/client'
import { containerEnvironment, expandVariables, hostnameOf } from './container-environment.ts'
import type { ProcessSpec } from './container-process.ts'
import type { ContainerPlan } from './container-script.ts'
import { credentialsOf } from './credentials.ts'
import type { Image } from './images.ts'
import type { PodContext } from './pod-context.ts'
import { containerMounts } from './volumes.ts'

export type RecordEvent = (type: 'Normal' | 'Warning', reason: string, message: string) => void

/**
 * Everything that a container's process needs, from its specification and the objects that this names. Throws when something
 * is missing or not supported, with a message for the container's status.
 */
export async function planContainer(
  pod: Pod,
  spec: Container,
  volumePaths: ReadonlyMap<string, string>,
  { kube, apiServer, images, limits }: Pick<PodContext, 'kube' | 'apiServer' | 'images' | 'limits'>,
  event: RecordEvent,
): Promise<{ plan: ContainerPlan; process: ProcessSpec }> {
  const { securityContext = {}, workingDir = '/' } = spec
  const image = await images.find(spec.image ?? '')
  const environment = await containerEnvironment(pod, spec, { kube, apiServer, defaults: image.environment })
  event('Normal', 'Pulled', image.description)
  const { arguments: credentials, refused } = credentialsOf(pod, spec, limits)
  for (const message of refused) event('Warning', 'UserNamespace', message)
  const plan: ContainerPlan = {
    image,
    mounts: containerMounts(spec, volumePaths),
    hostname: hostnameOf(pod.metadata.name ?? ''),
    workingDirectory: workingDir,
    privileged: securityContext.privileged === true,
    readOnlyRoot: securityContext.readOnlyRootFilesystem === true,
  }
  const command = commandOf(spec, image, environment)
  if (command.length > 0) return { plan, process: { command, environment, credentials } }
  const why = `Container image "${spec.image}" is not on this machine and the container has no command: it idles`
  event('Warning', 'NoCommand', why)
  return { plan, process: { command: ['sleep', 'infinity'], environment, credentials } }
}

/** Words of the container's own command, or of that of its image. */
function commandOf(spec: Container, image: Image, environment: ReadonlyMap<string, string>): string[] {
  const { command = [], args = [] } = spec
  const own = [...command, ...args].map((word) => expandVariables(word, environment))
  if (command.length > 0) return own
  return [...image.entrypoint, ...(args.length > 0 ? own : image.defaultArgs)]
}
