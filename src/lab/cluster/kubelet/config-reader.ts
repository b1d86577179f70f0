import { isNotFound, type KubeClient, resources } from '#kubernetes/client'
import { PodConfigError } from './pod-fields.ts'

/** What a pod names of a Secret or a ConfigMap. */
export interface ConfigRef {
  name: string
  optional?: boolean
}

/** The entries of an object; undefined when it is optional and missing. Throws {@link PodConfigError} when it is missing. */
export type ReadConfig = (ref: ConfigRef) => Promise<ReadonlyMap<string, Buffer> | undefined>

/** Reads the Secrets and ConfigMaps of a namespace that a pod names. */
export function createConfigReader(kube: KubeClient, namespace: string): { secret: ReadConfig; configMap: ReadConfig } {
  const found = async <T>(kind: string, { name, optional }: ConfigRef, reading: Promise<T>) => {
    try {
      return await reading
    } catch (error) {
      if (!isNotFound(error)) throw error
      if (optional === true) return undefined
      throw new PodConfigError(`${kind} "${name}" not found`)
    }
  }
  return {
    async secret(ref) {
      const secret = await found('secret', ref, kube.get(resources.secrets, { name: ref.name, namespace }))
      return secret && decode(secret.data)
    },
    async configMap(ref) {
      const configMap = await found('configmap', ref, kube.get(resources.configMaps, { name: ref.name, namespace }))
      if (configMap === undefined) return undefined
      const texts = Object.entries(configMap.data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const)
      return new Map([...texts, ...decode(configMap.binaryData)])
    },
  }
}

function decode(data: Record<string, string> = {}): Map<string, Buffer> {
  return new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64')]))
}
