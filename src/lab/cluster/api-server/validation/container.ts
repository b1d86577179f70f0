import { valueAt } from '#lib/formats'
import { podFieldPaths } from '../../pod-field-paths.ts'
import type { Causes } from '../api-error.ts'
import { isRecord, mapAt, recordsAt, textAt } from '../api-object.ts'
import { checkName, labelName, portName, requireName, subdomainName, variableName } from './names.ts'
import { checkNotNegative, checkPort, checkRange } from './numbers.ts'
import { quantityOf } from './quantity.ts'
import { checkNoParent } from './volume.ts'

type Fields = Record<string, unknown>

/** What a container is checked against. */
export interface PodParts {
  volumes: ReadonlySet<string>
  /** Names of the containers so far. */
  containerNames: Set<string>
  hostNetwork: boolean
}

/** One container. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container */
export function validateContainer(causes: Causes, container: Fields, path: string, pod: PodParts): void {
  const [name, image] = [textAt(container, 'name'), textAt(container, 'image')]
  requireName(causes, `${path}.name`, name, labelName)
  if (pod.containerNames.has(name)) causes.duplicate(`${path}.name`, name)
  pod.containerNames.add(name)
  if (image === '') causes.required(`${path}.image`)
  else if (image.trim() !== image) {
    causes.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace')
  }
  const policies = ['Always', 'IfNotPresent', 'Never']
  const policy = textAt(container, 'imagePullPolicy')
  if (!policies.includes(policy)) causes.unsupported(`${path}.imagePullPolicy`, policy, policies)
  validatePorts(causes, container, path, pod)
  validateVariables(causes, container, path)
  validateMounts(causes, container, path, pod)
  validateProbes(causes, container, path)
  validateResources(causes, container, path)
  validateSecurity(causes, container, path)
}

const protocols = ['SCTP', 'TCP', 'UDP']

function validatePorts(causes: Causes, container: Fields, path: string, { hostNetwork }: PodParts): void {
  const names = new Set<string>()
  for (const [index, port] of recordsAt(container, 'ports').entries()) {
    const field = `${path}.ports[${index}]`
    const { containerPort = 0, hostPort = 0 } = port
    const [name, protocol] = [textAt(port, 'name'), textAt(port, 'protocol')]
    if (name !== '') checkName(causes, `${field}.name`, name, portName)
    if (name !== '' && names.has(name)) causes.duplicate(`${field}.name`, name)
    names.add(name)
    if (containerPort === 0) causes.required(`${field}.containerPort`)
    else checkPort(causes, `${field}.containerPort`, containerPort)
    if (hostPort !== 0) checkPort(causes, `${field}.hostPort`, hostPort)
    if (hostNetwork && hostPort !== 0 && hostPort !== containerPort) {
      causes.invalid(`${field}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true')
    }
    if (!protocols.includes(protocol)) causes.unsupported(`${field}.protocol`, protocol, protocols)
  }
}

function validateVariables(causes: Causes, container: Fields, path: string): void {
  for (const [index, variable] of recordsAt(container, 'env').entries()) {
    const field = `${path}.env[${index}]`
    requireName(causes, `${field}.name`, textAt(variable, 'name'), variableName)
    if (isRecord(variable.valueFrom)) validateVariableSource(causes, variable, `${field}.valueFrom`)
  }
  for (const entry of recordsAt(container, 'envFrom')) {
    const field = `${path}.envFrom`
    const sources = ['configMapRef', 'secretRef'].filter((name) => entry[name] !== undefined)
    if (sources.length === 0) causes.invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`')
    if (sources.length > 1) causes.invalid(field, '', 'may not have more than one field specified at a time')
    for (const source of sources) requireReferenceName(causes, entry[source], `${field}.${source}.name`)
  }
}

const variableSources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef']

function validateVariableSource(causes: Causes, { value = '', valueFrom }: Fields, field: string): void {
  const sources = variableSources.filter((name) => valueAt(valueFrom, name) !== undefined)
  const names = '`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'
  if (sources.length === 0) causes.invalid(field, '', `must specify one of: ${names}`)
  else if (value !== '') causes.invalid(field, '', 'may not be specified when `value` is not empty')
  else if (sources.length > 1) causes.invalid(field, '', 'may not have more than one field specified at a time')
  for (const name of sources) {
    const source = valueAt(valueFrom, name)
    if (name === 'fieldRef') validateFieldPath(causes, textAt(source, 'fieldPath'), `${field}.fieldRef.fieldPath`)
    if (name !== 'configMapKeyRef' && name !== 'secretKeyRef') continue
    if (textAt(source, 'key') === '') causes.required(`${field}.${name}.key`)
    requireReferenceName(causes, source, `${field}.${name}.name`)
  }
}

/** Kubernetes reports an empty name as a malformed one. */
function requireReferenceName(causes: Causes, source: unknown, field: string): void {
  checkName(causes, field, textAt(source, 'name'), subdomainName)
}

function validateFieldPath(causes: Causes, path: string, field: string): void {
  if (path === '') causes.required(field)
  else if (
    !podFieldPaths.some((known) => known === path) &&
    !/^metadata\.(labels|annotations)\['[^']+'\]$/.test(path)
  ) {
    causes.invalid(field, path, `error converting fieldPath: field label not supported: ${path}`)
  }
}

const propagations = ['Bidirectional', 'HostToContainer', 'None']

function validateMounts(causes: Causes, container: Fields, path: string, { volumes }: PodParts): void {
  const paths = new Set<string>()
  const privileged = valueAt(container, 'securityContext', 'privileged') === true
  for (const [index, mount] of recordsAt(container, 'volumeMounts').entries()) {
    const field = `${path}.volumeMounts[${index}]`
    // Kubernetes names these fields without the index.
    const all = `${path}.volumeMounts`
    const [name, mountPath] = [textAt(mount, 'name'), textAt(mount, 'mountPath')]
    const [subPath, subPathExpr] = [textAt(mount, 'subPath'), textAt(mount, 'subPathExpr')]
    const propagation = textAt(mount, 'mountPropagation')
    if (name === '') causes.required(`${field}.name`)
    if (!volumes.has(name)) causes.notFound(`${field}.name`, name)
    if (mountPath === '') causes.required(`${field}.mountPath`)
    if (paths.has(mountPath)) causes.invalid(`${field}.mountPath`, mountPath, 'must be unique')
    paths.add(mountPath)
    if (subPath !== '') checkSubPath(causes, subPath, `${all}.subPath`)
    if (subPathExpr !== '') checkSubPath(causes, subPathExpr, `${all}.subPathExpr`)
    if (subPath !== '' && subPathExpr !== '') {
      causes.invalid(`${field}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive')
    }
    if (propagation === '') continue
    if (!propagations.includes(propagation)) {
      causes.unsupported(`${all}.mountPropagation`, propagation, propagations)
    } else if (propagation === 'Bidirectional' && !privileged) {
      const why = 'Bidirectional mount propagation is available only to privileged containers'
      causes.forbidden(`${all}.mountPropagation`, why)
    }
  }
}

function checkSubPath(causes: Causes, path: string, field: string): void {
  if (path.startsWith('/')) causes.invalid(field, path, 'must be a relative path')
  checkNoParent(causes, path, field)
}

function validateProbes(causes: Causes, container: Fields, path: string): void {
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name]
    if (!isRecord(probe)) continue
    const field = `${path}.${name}`
    validateHandler(causes, probe, field)
    for (const number of [
      'initialDelaySeconds',
      'timeoutSeconds',
      'periodSeconds',
      'successThreshold',
      'failureThreshold',
    ]) {
      checkNotNegative(causes, `${field}.${number}`, probe[number])
    }
    const { successThreshold = 1 } = probe
    if (name !== 'readinessProbe' && successThreshold !== 1) {
      causes.invalid(`${field}.successThreshold`, successThreshold, 'must be 1')
    }
  }
}

function validateHandler(causes: Causes, probe: Fields, field: string): void {
  const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'].filter((name) => probe[name] !== undefined)
  if (handlers.length === 0) causes.required(field, 'must specify a handler type')
  for (const other of handlers.slice(1))
    causes.forbidden(`${field}.${other}`, 'may not specify more than 1 handler type')
  const { exec, httpGet, tcpSocket } = probe
  if (exec !== undefined && valueAt(exec, 'command', 0) === undefined) causes.required(`${field}.exec.command`)
  const target = httpGet ?? tcpSocket
  if (target === undefined) return
  const at = `${field}.${httpGet === undefined ? 'tcpSocket' : 'httpGet'}`
  const port = valueAt(target, 'port') ?? 0
  if (typeof port === 'string') checkName(causes, `${at}.port`, port, portName)
  else checkPort(causes, `${at}.port`, port)
  if (httpGet === undefined) return
  const schemes = ['HTTP', 'HTTPS']
  const scheme = textAt(httpGet, 'scheme')
  if (!schemes.includes(scheme)) causes.unsupported(`${at}.scheme`, scheme, schemes)
}

const standardResources = /^(cpu|memory|ephemeral-storage|hugepages-.*)$/

function validateResources(causes: Causes, { resources }: Fields, path: string): void {
  // As in Kubernetes: a limit without a request is the request.
  const limits = mapAt(resources, 'limits')
  const requests = { ...limits, ...mapAt(resources, 'requests') }
  for (const [kind, amounts] of Object.entries({ limits, requests })) {
    for (const [name, amount] of Object.entries(amounts)) {
      const field = `${path}.resources.${kind}[${name}]`
      if (!name.includes('/') && !standardResources.test(name)) {
        causes.invalid(field, name, 'must be a standard resource type or fully qualified')
        causes.invalid(field, name, 'must be a standard resource for containers')
      }
      if (quantityOf(amount) < 0) causes.invalid(field, amount, 'must be greater than or equal to 0')
    }
  }
  for (const [name, amount] of Object.entries(requests)) {
    const limit = limits[name]
    if (limit === undefined || quantityOf(amount) <= quantityOf(limit)) continue
    causes.invalid(`${path}.resources.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`)
  }
}

function validateSecurity(causes: Causes, { securityContext }: Fields, path: string): void {
  if (!isRecord(securityContext)) return
  const field = `${path}.securityContext`
  for (const id of ['runAsUser', 'runAsGroup'])
    checkRange(causes, `${field}.${id}`, securityContext[id], 0, 2 ** 31 - 1)
  if (securityContext.privileged === true && securityContext.allowPrivilegeEscalation === false) {
    const why = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'
    causes.invalid(field, securityContext, why)
  }
}
