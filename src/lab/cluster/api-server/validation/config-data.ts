import { isDeepStrictEqual } from 'node:util'
import type { Causes } from '../api-error.ts'
import { type ApiObject, mapAt } from '../api-object.ts'
import { jsonObjectFault } from './go-json.ts'
import { checkName, configMapKey } from './names.ts'

const maxDataBytes = 1024 * 1024

const bytesOf = (encoded: string) => Buffer.from(encoded, 'base64')

/** https://kubernetes.io/docs/concepts/configuration/secret/ */
export function validateSecret(causes: Causes, secret: ApiObject, previous: ApiObject | undefined): void {
  if (previous !== undefined) {
    if (previous.type !== secret.type) causes.invalid('type', secret.type, 'field is immutable')
    validateImmutable(causes, secret, previous)
  }
  const data = mapAt(secret, 'data')
  for (const key of Object.keys(data)) checkName(causes, `data[${key}]`, key, configMapKey)
  const bytes = Object.values(data).reduce((sum, value) => sum + bytesOf(value).length, 0)
  if (bytes > maxDataBytes) causes.tooLong('data', maxDataBytes)
  validateKeys(causes, secret, data)
}

/** What each type of Secret must hold. https://kubernetes.io/docs/concepts/configuration/secret/#secret-types */
function validateKeys(causes: Causes, { type, metadata }: ApiObject, data: Readonly<Record<string, string>>): void {
  const require = (...keys: string[]) => {
    for (const key of keys) if (!Object.hasOwn(data, key)) causes.required(`data[${key}]`)
  }
  const requireJson = (key: string) => {
    require(key)
    const fault = Object.hasOwn(data, key) ? jsonObjectFault(bytesOf(data[key] ?? '').toString('utf8')) : undefined
    if (fault !== undefined) causes.invalid(`data[${key}]`, '<secret contents redacted>', fault)
  }
  switch (type) {
    case 'kubernetes.io/tls':
      require('tls.crt', 'tls.key')
      break
    case 'kubernetes.io/basic-auth':
      if (!Object.hasOwn(data, 'username') && !Object.hasOwn(data, 'password')) require('username', 'password')
      break
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) causes.required('data[ssh-privatekey]')
      break
    case 'kubernetes.io/dockerconfigjson':
      requireJson('.dockerconfigjson')
      break
    case 'kubernetes.io/dockercfg':
      requireJson('.dockercfg')
      break
    case 'kubernetes.io/service-account-token': {
      const annotation = 'kubernetes.io/service-account.name'
      if (!metadata.annotations?.[annotation]) causes.required(`metadata.annotations[${annotation}]`)
      break
    }
  }
}

/** https://kubernetes.io/docs/concepts/configuration/configmap/ */
export function validateConfigMap(causes: Causes, configMap: ApiObject, previous: ApiObject | undefined): void {
  if (previous !== undefined) validateImmutable(causes, configMap, previous)
  const [data, binaryData] = [mapAt(configMap, 'data'), mapAt(configMap, 'binaryData')]
  for (const key of Object.keys(data)) {
    checkName(causes, `data[${key}]`, key, configMapKey)
    if (Object.hasOwn(binaryData, key)) causes.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData')
  }
  for (const key of Object.keys(binaryData)) checkName(causes, `binaryData[${key}]`, key, configMapKey)
  const sizes = [
    ...Object.values(data).map((text) => Buffer.byteLength(text)),
    ...Object.values(binaryData).map((text) => bytesOf(text).length),
  ]
  // Kubernetes names no field for the whole object.
  if (sizes.reduce((sum, size) => sum + size, 0) > maxDataBytes) causes.tooLong('[]', maxDataBytes)
}

/** https://kubernetes.io/docs/concepts/configuration/secret/#secret-immutable */
function validateImmutable(causes: Causes, object: ApiObject, previous: ApiObject): void {
  if (previous.immutable !== true) return
  const why = 'field is immutable when `immutable` is set'
  if (object.immutable !== true) causes.forbidden('immutable', why)
  for (const field of ['data', 'binaryData']) {
    if (!isDeepStrictEqual(mapAt(object, field), mapAt(previous, field))) causes.forbidden(field, why)
  }
}
