import { freeServiceAddress } from '#lab/router'
import { valueAt } from '#lib/formats'
import { type ApiObject, isRecord, recordsAt, setDefaults, textAt } from '../api-object.ts'
import { validateConfigMap, validateSecret } from '../validation/config-data.ts'
import { labelName, type NameRule } from '../validation/names.ts'
import { validateNewPod, validatePodSpec, validatePodUpdate } from '../validation/pod.ts'
import { validateEvent } from '../validation/small-kinds.ts'
import { ageColumn, column, nameColumn, pairs, size, text, wide } from './columns.ts'
import { defineKind, specOf } from './define-kind.ts'
import { fields, list } from './fields.ts'
import { ageOf } from './human-duration.ts'
import { admitPod, defaultPodSpec } from './pod-admission.ts'
import { podSpecFields } from './pod-fields.ts'
import type { Lookup, ResourceRow } from './resource-row.ts'
import {
  lastSeen,
  nodeAddress,
  nodeRoles,
  nodeStatus,
  podStatus,
  readyContainers,
  restarts,
  servicePorts,
} from './status-columns.ts'

const anyName: NameRule = () => []
const reference = 'apiVersion fieldPath kind name namespace resourceVersion uid:types.UID'

/** The kinds of the core group (`v1`). */
export const coreKinds: readonly ResourceRow[] = [
  defineKind('v1', 'Namespace', 'namespaces', {
    short: ['ns'],
    scope: 'cluster',
    names: labelName,
    subresources: ['status'],
    selectable: ['status.phase'],
    columns: [nameColumn, text('Status', 'status.phase'), ageColumn],
    fields: 'status:any',
    children: { spec: fields('NamespaceSpec', 'finalizers:[]v1.FinalizerName') },
    protobuf: { Namespace: '1 metadata ObjectMeta, 2 spec NamespaceSpec', NamespaceSpec: '1 finalizers string[]' },
    prepare: prepareNamespace,
  }),
  defineKind('v1', 'Node', 'nodes', {
    short: ['no'],
    scope: 'cluster',
    subresources: ['status'],
    selectable: ['spec.unschedulable'],
    columns: [
      nameColumn,
      column('Status', nodeStatus),
      column('Roles', nodeRoles),
      ageColumn,
      text('Version', 'status.nodeInfo.kubeletVersion'),
      wide(column('Internal-IP', (node) => nodeAddress(node, 'InternalIP'))),
      wide(column('External-IP', (node) => nodeAddress(node, 'ExternalIP'))),
      wide(text('OS-Image', 'status.nodeInfo.osImage', '<unknown>')),
      wide(text('Kernel-Version', 'status.nodeInfo.kernelVersion', '<unknown>')),
      wide(text('Container-Runtime', 'status.nodeInfo.containerRuntimeVersion', '<unknown>')),
    ],
    fields: 'status:any',
    children: {
      spec: fields(
        'NodeSpec',
        'configSource:any externalID podCIDR podCIDRs:[]string providerID taints:any unschedulable:bool',
      ),
    },
  }),
  defineKind('v1', 'Pod', 'pods', {
    short: ['po'],
    categories: ['all'],
    subresources: ['status', 'log', 'exec', 'proxy'],
    generation: true,
    selectable: ['spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'status.phase', 'status.podIP'],
    columns: [
      nameColumn,
      column('Ready', readyContainers),
      column('Status', podStatus),
      column('Restarts', restarts),
      ageColumn,
      wide(text('IP', 'status.podIP', '<none>')),
      wide(text('Node', 'spec.nodeName', '<none>')),
      wide(column('Nominated Node', () => '<none>')),
      wide(column('Readiness Gates', () => '<none>')),
    ],
    fields: 'status:any',
    children: { spec: podSpecFields },
    prepare: (pod) => defaultPodSpec(specOf(pod)),
    admit: admitPod,
    validate(causes, pod, previous) {
      validatePodSpec(causes, pod.spec, 'spec')
      if (previous === undefined) validateNewPod(causes, pod)
      else validatePodUpdate(causes, pod, previous)
    },
  }),
  defineKind('v1', 'Secret', 'secrets', {
    selectable: ['type'],
    columns: [nameColumn, text('Type', 'type'), size('Data', 'data'), ageColumn],
    fields: 'data:map[string]bytes immutable:bool stringData:map[string]string type:v1.SecretType',
    protobuf: { Secret: '1 metadata ObjectMeta, 2 data bytes{}, 3 type, 4 stringData string{}, 5 immutable bool' },
    prepare: prepareSecret,
    validate: validateSecret,
  }),
  defineKind('v1', 'ConfigMap', 'configmaps', {
    short: ['cm'],
    columns: [
      nameColumn,
      column('Data', ({ data, binaryData }) => Object.keys({ ...Object(data), ...Object(binaryData) }).length, {
        type: 'integer',
      }),
      ageColumn,
    ],
    fields: 'binaryData:map[string]bytes data:map[string]string immutable:bool',
    protobuf: { ConfigMap: '1 metadata ObjectMeta, 2 data string{}, 3 binaryData bytes{}, 4 immutable bool' },
    validate: validateConfigMap,
  }),
  defineKind('v1', 'ServiceAccount', 'serviceaccounts', {
    short: ['sa'],
    subresources: ['token'],
    columns: [nameColumn, size('Secrets', 'secrets'), ageColumn],
    fields: 'automountServiceAccountToken:bool',
    children: {
      imagePullSecrets: list(fields('LocalObjectReference', 'name')),
      secrets: list(fields('ObjectReference', reference)),
    },
    protobuf: {
      ServiceAccount:
        '1 metadata ObjectMeta, 2 secrets ObjectReference[], 3 imagePullSecrets LocalObjectReference[], 4 automountServiceAccountToken bool',
      ObjectReference: '1 kind, 2 namespace, 3 name, 4 uid, 5 apiVersion',
      LocalObjectReference: '1 name',
    },
  }),
  // Without pod networks, Services carry no traffic: they are names for webhooks only.
  defineKind('v1', 'Service', 'services', {
    short: ['svc'],
    names: labelName,
    columns: [
      nameColumn,
      text('Type', 'spec.type'),
      text('Cluster-IP', 'spec.clusterIP', '<none>'),
      column('External-IP', () => '<none>'),
      column('Port(s)', servicePorts),
      ageColumn,
      wide(pairs('Selector', 'spec.selector')),
    ],
    fields: 'status:any',
    children: {
      spec: fields(
        'ServiceSpec',
        `allocateLoadBalancerNodePorts:bool clusterIP clusterIPs:[]string externalIPs:[]string externalName
         externalTrafficPolicy healthCheckNodePort:int32 internalTrafficPolicy ipFamilies:[]v1.IPFamily ipFamilyPolicy
         loadBalancerClass loadBalancerIP loadBalancerSourceRanges:[]string publishNotReadyAddresses:bool
         selector:map[string]string sessionAffinity sessionAffinityConfig:any trafficDistribution type:v1.ServiceType`,
        {
          ports: list(
            fields('ServicePort', 'appProtocol name nodePort:int32 port:int32 protocol:v1.Protocol targetPort:intstr'),
          ),
        },
      ),
    },
    prepare: prepareService,
    admit: admitService,
  }),
  defineKind('v1', 'Event', 'events', {
    short: ['ev'],
    names: anyName,
    selectable: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
        (field) => `involvedObject.${field}`,
      ),
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
    columns: [
      column('Last Seen', (event, now) => ageOf(lastSeen(event), now)),
      text('Type', 'type'),
      text('Reason', 'reason'),
      column('Object', ({ involvedObject }) =>
        [textAt(involvedObject, 'kind').toLowerCase(), textAt(involvedObject, 'name')].join('/'),
      ),
      wide(text('Subobject', 'involvedObject.fieldPath')),
      wide(
        column('Source', ({ source }) =>
          [textAt(source, 'component'), textAt(source, 'host')].filter(Boolean).join(', '),
        ),
      ),
      column('Message', ({ message }) => String(message ?? '').trim()),
      wide(column('First Seen', (event, now) => ageOf(event.firstTimestamp ?? lastSeen(event), now))),
      wide(column('Count', (event) => event.count ?? 1)),
      wide(column('Name', ({ metadata }) => metadata.name)),
    ],
    fields: `action count:int32 eventTime:microtime firstTimestamp:time lastTimestamp:time message reason
             reportingComponent reportingInstance series:any type`,
    children: {
      involvedObject: fields('ObjectReference', reference),
      related: fields('ObjectReference', reference),
      source: fields('EventSource', 'component host'),
    },
    validate: validateEvent,
  }),
]

function prepareNamespace(namespace: ApiObject): void {
  const { metadata } = namespace
  metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name }
  specOf(namespace).finalizers ??= ['kubernetes']
  namespace.status = { phase: metadata.deletionTimestamp === undefined ? 'Active' : 'Terminating' }
}

function prepareSecret(secret: ApiObject): void {
  secret.type ||= 'Opaque'
  const { data, stringData } = secret
  delete secret.stringData
  if (!isRecord(stringData)) return
  const encoded = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])
  secret.data = { ...(isRecord(data) ? data : {}), ...Object.fromEntries(encoded) }
}

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ */
function prepareService(service: ApiObject, previous: ApiObject | undefined): void {
  const spec = specOf(service)
  // An update that does not name the address keeps it.
  const clusterIP = textAt(spec, 'clusterIP') || textAt(previous, 'spec', 'clusterIP')
  if (clusterIP !== '') Object.assign(spec, { clusterIP, clusterIPs: [clusterIP] })
  setDefaults(spec, { type: 'ClusterIP', sessionAffinity: 'None' })
  for (const port of recordsAt(service, 'spec', 'ports')) {
    setDefaults(port, { protocol: 'TCP', targetPort: valueAt(port, 'port') })
  }
}

/** Services have addresses where pods have networks of their own, which the Service of the API server shows. */
function admitService(service: ApiObject, lookup: Lookup): void {
  const spec = specOf(service)
  if (textAt(spec, 'clusterIP') !== '' || textAt(spec, 'type') === 'ExternalName') return
  const { name, namespace } = service.metadata
  const withNetwork = lookup.get('services', 'default', 'kubernetes') !== undefined
  const taken = new Set(lookup.list('services').map((each) => textAt(each, 'spec', 'clusterIP')))
  spec.clusterIP = withNetwork ? freeServiceAddress(`${namespace}/${name}`, taken) : 'None'
  spec.clusterIPs = [spec.clusterIP]
}
