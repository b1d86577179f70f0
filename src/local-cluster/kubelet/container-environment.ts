import {
  type ConfigMap,
  type Container,
  type EnvVar,
  isNotFound,
  type KubeClient,
  type Pod,
  resources,
  type Secret,
} from '../../kube/index.ts'
import { PodConfigError, podField } from './pod-fields.ts'

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The environment of a container: the runtime's own variables, those that tell in-cluster clients where the API server is,
 * `envFrom`, then `env`, each of which may refer to the ones before it. Throws {@link PodConfigError} for what is missing.
 */
export async function containerEnvironment(
  pod: Pod,
  container: Container,
  kube: KubeClient,
): Promise<Map<string, string>> {
  const namespace = pod.metadata.namespace ?? ''
  const read = {
    secret: reader('secret', (name) => kube.get(resources.secrets, { name, namespace }), secretTexts),
    configMap: reader('configmap', (name) => kube.get(resources.configMaps, { name, namespace }), configMapTexts),
  }
  const api = new URL(kube.server)
  const environment = new Map([
    ['PATH', defaultPath],
    ['HOSTNAME', hostnameOf(pod.metadata.name ?? '')],
    ['HOME', (container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser ?? 0) === 0 ? '/root' : '/'],
    ['KUBERNETES_SERVICE_HOST', api.hostname.replace(/^\[|\]$/g, '')],
    ['KUBERNETES_SERVICE_PORT', api.port || '443'],
    ['KUBERNETES_SERVICE_PORT_HTTPS', api.port || '443'],
  ])
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const texts =
      secretRef !== undefined
        ? await read.secret(secretRef)
        : configMapRef !== undefined
          ? await read.configMap(configMapRef)
          : undefined
    for (const [name, value] of texts ?? []) environment.set(`${prefix}${name}`, value)
  }
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, pod, read, environment)
    if (value !== undefined) environment.set(variable.name, value)
  }
  return environment
}

interface Readers {
  secret: Reader
  configMap: Reader
}

/** The texts of an object; undefined when it is optional and missing. */
type Reader = (ref: { name: string; optional?: boolean }) => Promise<ReadonlyMap<string, string> | undefined>

async function variableValue(
  { value = '', valueFrom }: EnvVar,
  pod: Pod,
  read: Readers,
  environment: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  if (valueFrom === undefined) return expandVariables(value, environment)
  const { fieldRef, secretKeyRef, configMapKeyRef } = valueFrom
  if (fieldRef !== undefined) return podField(pod, fieldRef.fieldPath)
  const ref = secretKeyRef ?? configMapKeyRef
  if (ref === undefined) throw new PodConfigError('a valueFrom of this kind is not supported by the local cluster')
  const texts = await (secretKeyRef === undefined ? read.configMap : read.secret)(ref)
  const text = texts?.get(ref.key)
  if (text === undefined && ref.optional !== true) {
    const kind = secretKeyRef === undefined ? 'ConfigMap' : 'Secret'
    throw new PodConfigError(`couldn't find key ${ref.key} in ${kind} ${pod.metadata.namespace}/${ref.name}`)
  }
  return text
}

function reader<T>(kind: string, get: (name: string) => Promise<T>, texts: (object: T) => Map<string, string>): Reader {
  const seen = new Map<string, Promise<Map<string, string>>>()
  return async ({ name, optional = false }) => {
    const reading = seen.get(name) ?? get(name).then(texts)
    seen.set(name, reading)
    try {
      return await reading
    } catch (error) {
      if (!isNotFound(error)) throw error
      if (optional) return undefined
      throw new PodConfigError(`${kind} "${name}" not found`)
    }
  }
}

function secretTexts({ data = {} }: Secret): Map<string, string> {
  return new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]))
}

function configMapTexts({ data = {} }: ConfigMap): Map<string, string> {
  return new Map(Object.entries(data))
}

/** A pod's name as a host name, which has 63 characters at most. */
export function hostnameOf(podName: string): string {
  return podName.slice(0, 63).replace(/[-.]+$/, '')
}

/**
 * Replaces `$(NAME)` by the variable's value; an unknown name stays as it is, `$$` is a dollar sign.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
export function expandVariables(text: string, environment: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole, name?: string) =>
    name === undefined ? '$' : (environment.get(name) ?? whole),
  )
}
