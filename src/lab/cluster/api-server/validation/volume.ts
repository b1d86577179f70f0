import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { isRecord, recordsAt, textAt } from '../api-object.ts'
import { subdomainName } from './names.ts'
import { quantityOf } from './quantity.ts'

type Source = Record<string, unknown>

/** One volume of a pod. https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume/ */
export function validateVolume(causes: Causes, volume: Source, field: string): void {
  const sources = Object.keys(volume).filter((name) => name !== 'name' && isRecord(volume[name]))
  for (const other of sources.toSorted().slice(1)) {
    causes.forbidden(`${field}.${other}`, 'may not specify more than 1 volume type')
  }
  const [name] = sources.toSorted()
  const source = name === undefined ? undefined : volume[name]
  if (name !== undefined && isRecord(source)) validators[name]?.(causes, source, `${field}.${name}`)
}

const validators: Record<string, (causes: Causes, source: Source, field: string) => void> = {
  secret(causes, source, field) {
    if (textAt(source, 'secretName') === '') causes.required(`${field}.secretName`)
    validateFiles(causes, source, field)
  },
  configMap(causes, source, field) {
    if (textAt(source, 'name') === '') causes.required(`${field}.name`)
    validateFiles(causes, source, field)
  },
  downwardAPI: validateFiles,
  hostPath: validateHostPath,
  csi: validateCsi,
  projected: validateProjected,
  emptyDir(causes, source, field) {
    if (quantityOf(source.sizeLimit ?? '0') >= 0) return
    causes.forbidden(`${field}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')
  },
}

function validateFiles(causes: Causes, source: Source, field: string): void {
  validateMode(causes, source.defaultMode, `${field}.defaultMode`)
  for (const [index, item] of recordsAt(source, 'items').entries()) {
    const at = `${field}.items[${index}]`
    if (item.fieldRef === undefined && item.resourceFieldRef === undefined && textAt(item, 'key') === '') {
      causes.required(`${at}.key`)
    }
    validateLocalPath(causes, textAt(item, 'path'), `${at}.path`)
    validateMode(causes, item.mode, `${at}.mode`)
  }
}

function validateMode(causes: Causes, mode: unknown, field: string): void {
  if (typeof mode !== 'number' || (mode >= 0 && mode <= 0o777)) return
  causes.invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')
}

/** A path inside a volume. */
function validateLocalPath(causes: Causes, path: string, field: string): void {
  if (path === '') causes.required(field)
  if (path.startsWith('/')) causes.invalid(field, path, 'must be a relative path')
  checkNoParent(causes, path, field)
  if (path.startsWith('..') && !path.split('/').includes('..')) {
    causes.invalid(field, path, "must not start with '..'")
  }
}

/** A path must not lead out through its parent. */
export function checkNoParent(causes: Causes, path: string, field: string): void {
  if (path.split('/').includes('..')) causes.invalid(field, path, "must not contain '..'")
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

function validateHostPath(causes: Causes, source: Source, field: string): void {
  const [path, type] = [textAt(source, 'path'), textAt(source, 'type')]
  if (path === '') causes.required(`${field}.path`)
  else checkNoParent(causes, path, `${field}.path`)
  if (!hostPathTypes.includes(type)) causes.unsupported(`${field}.type`, type, hostPathTypes)
}

function validateCsi(causes: Causes, source: Source, field: string): void {
  const driver = textAt(source, 'driver')
  if (driver === '') causes.required(`${field}.driver`)
  // The name of a driver may have capitals.
  for (const fault of subdomainName(driver.toLowerCase())) causes.invalid(`${field}.driver`, driver, fault)
  const reference = source.nodePublishSecretRef
  if (isRecord(reference) && textAt(reference, 'name') === '') causes.required(`${field}.nodePublishSecretRef.name`)
}

function validateProjected(causes: Causes, projected: Source, field: string): void {
  validateMode(causes, projected.defaultMode, `${field}.defaultMode`)
  const seen = new Set<string>()
  const checkUnique = (name: string, paths: readonly string[]) => {
    if (paths.some((path) => seen.has(path))) causes.invalid(field, name, 'conflicting duplicate paths')
    for (const path of paths) seen.add(path)
  }
  for (const [index, entry] of recordsAt(projected, 'sources').entries()) {
    const at = `${field}.sources[${index}]`
    const kinds = Object.keys(entry).filter((kind) => isRecord(entry[kind]))
    if (kinds.length > 1) causes.forbidden(at, 'may not specify more than 1 volume type per source')
    for (const kind of kinds.slice(0, 1)) {
      const source = entry[kind] as Source
      if (kind === 'serviceAccountToken') validateTokenSource(causes, source, at, field)
      else if (kind === 'secret' || kind === 'configMap') {
        if (textAt(source, 'name') === '') causes.required(`${at}.${kind}.name`)
        validateFiles(causes, source, `${at}.${kind}`)
      } else validateFiles(causes, source, `${at}.${kind}`)
      const paths =
        kind === 'serviceAccountToken'
          ? [textAt(source, 'path')]
          : recordsAt(source, 'items').map((item) => textAt(item, 'path'))
      checkUnique(textAt(source, 'name'), paths)
    }
  }
}

function validateTokenSource(causes: Causes, source: Source, field: string, volume: string): void {
  const seconds = valueAt(source, 'expirationSeconds')
  if (typeof seconds === 'number' && seconds < 600) {
    const at = `${field}.serviceAccountToken.expirationSeconds`
    causes.invalid(at, seconds, 'may not specify a duration less than 10 minutes')
  }
  // Kubernetes names the path without its source.
  validateLocalPath(causes, textAt(source, 'path'), `${volume}.path`)
}
