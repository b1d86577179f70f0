import type { Container, EnvVar, KubeClient, Pod } from '#kubernetes/client'
import { createConfigReader, type ReadConfig } from './config-reader.ts'
import { PodConfigError, podField } from './pod-fields.ts'

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The environment of a container: that of its image, the runtime's own variables, the address of the API server for clients in
 * the cluster, `envFrom`, then `env`, each of which may refer to the ones before it. Throws {@link PodConfigError} when a
 * source does not exist.
 */
export async function containerEnvironment(
  pod: Pod,
  container: Container,
  options: {
    kube: KubeClient
    apiServer: { host: string; port: string }
    defaults?: Readonly<Record<string, string>>
  },
): Promise<Map<string, string>> {
  const { kube, apiServer, defaults = {} } = options
  const read = createConfigReader(kube, pod.metadata.namespace ?? '')
  const environment = new Map<string, string>([
    ...Object.entries(defaults),
    ['PATH', defaultPath],
    ['HOSTNAME', hostnameOf(pod.metadata.name ?? '')],
    ['HOME', (container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser ?? 0) === 0 ? '/root' : '/'],
    ['KUBERNETES_SERVICE_HOST', apiServer.host],
    ['KUBERNETES_SERVICE_PORT', apiServer.port],
    ['KUBERNETES_SERVICE_PORT_HTTPS', apiServer.port],
  ])
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const entries =
      (secretRef && (await read.secret(secretRef))) ?? (configMapRef && (await read.configMap(configMapRef)))
    for (const [name, value] of entries ?? []) environment.set(`${prefix}${name}`, value.toString('utf8'))
  }
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, pod, read, environment)
    if (value !== undefined) environment.set(variable.name, value)
  }
  return environment
}

async function variableValue(
  { value = '', valueFrom }: EnvVar,
  pod: Pod,
  read: { secret: ReadConfig; configMap: ReadConfig },
  environment: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  if (valueFrom === undefined) return expandVariables(value, environment)
  const { fieldRef, secretKeyRef, configMapKeyRef } = valueFrom
  if (fieldRef !== undefined) return podField(pod, fieldRef.fieldPath)
  const ref = secretKeyRef ?? configMapKeyRef
  if (ref === undefined) {
    const kind = Object.keys(valueFrom).join(', ') || 'nothing'
    throw new PodConfigError(`the local cluster, which is Kubernetes 1.34, does not support valueFrom with ${kind}`)
  }
  const entries = await (secretKeyRef === undefined ? read.configMap : read.secret)(ref)
  const text = entries?.get(ref.key)?.toString('utf8')
  if (text === undefined && ref.optional !== true) {
    const kind = secretKeyRef === undefined ? 'ConfigMap' : 'Secret'
    throw new PodConfigError(`couldn't find key ${ref.key} in ${kind} ${pod.metadata.namespace}/${ref.name}`)
  }
  return text
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
