/**
 * The Kubernetes objects that Keymount reads or writes, as far as it uses their fields.
 * https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/
 */
export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: unknown[]
}

export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** An object of a kind that has no type of its own here. */
export interface UntypedObject extends KubeObject {
  [field: string]: unknown
}

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: {
    fieldRef?: { fieldPath: string }
    secretKeyRef?: { name: string; key: string; optional?: boolean }
    configMapKeyRef?: { name: string; key: string; optional?: boolean }
    /** Kubernetes 1.35. */
    fileKeyRef?: { volumeName: string; path: string; key: string; optional?: boolean }
  }
}

export interface EnvFromSource {
  prefix?: string
  configMapRef?: { name: string; optional?: boolean }
  secretRef?: { name: string; optional?: boolean }
}

export interface VolumeMount {
  name: string
  mountPath: string
  subPath?: string
  subPathExpr?: string
  readOnly?: boolean
  mountPropagation?: 'None' | 'HostToContainer' | 'Bidirectional'
}

export interface Probe {
  httpGet?: { path?: string; port: number | string; host?: string; scheme?: string }
  exec?: { command?: string[] }
  tcpSocket?: { port: number | string; host?: string }
  initialDelaySeconds?: number
  periodSeconds?: number
  timeoutSeconds?: number
  failureThreshold?: number
  successThreshold?: number
}

export interface Container {
  name: string
  image?: string
  imagePullPolicy?: string
  command?: string[]
  args?: string[]
  workingDir?: string
  env?: EnvVar[]
  envFrom?: EnvFromSource[]
  ports?: { name?: string; containerPort: number; protocol?: string }[]
  volumeMounts?: VolumeMount[]
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> }
  livenessProbe?: Probe
  readinessProbe?: Probe
  startupProbe?: Probe
  lifecycle?: { postStart?: { exec?: { command?: string[] } } }
  securityContext?: {
    privileged?: boolean
    runAsUser?: number
    runAsGroup?: number
    runAsNonRoot?: boolean
    readOnlyRootFilesystem?: boolean
    allowPrivilegeEscalation?: boolean
    capabilities?: { add?: string[]; drop?: string[] }
  }
  /** `Always` makes an init container a sidecar: it starts before the next one and runs as long as the pod. */
  restartPolicy?: 'Always'
  tty?: boolean
  stdin?: boolean
}

export interface KeyToPath {
  key: string
  path: string
  mode?: number
}

export interface CsiVolumeSource {
  driver: string
  readOnly?: boolean
  fsType?: string
  volumeAttributes?: Record<string, string>
  nodePublishSecretRef?: { name: string }
}

export interface ProjectedSource {
  serviceAccountToken?: { audience?: string; expirationSeconds?: number; path: string }
  configMap?: { name: string; items?: KeyToPath[]; optional?: boolean }
  secret?: { name: string; items?: KeyToPath[]; optional?: boolean }
  downwardAPI?: { items?: { path: string; fieldRef?: { fieldPath: string } }[] }
}

export interface Volume {
  name: string
  csi?: CsiVolumeSource
  emptyDir?: { medium?: string; sizeLimit?: string }
  hostPath?: { path: string; type?: string }
  configMap?: { name?: string; items?: KeyToPath[]; defaultMode?: number; optional?: boolean }
  secret?: { secretName?: string; items?: KeyToPath[]; defaultMode?: number; optional?: boolean }
  projected?: { sources?: ProjectedSource[]; defaultMode?: number }
  downwardAPI?: { items?: { path: string; fieldRef?: { fieldPath: string } }[] }
}

export interface PodSpec {
  containers: Container[]
  initContainers?: Container[]
  volumes?: Volume[]
  nodeName?: string
  nodeSelector?: Record<string, string>
  serviceAccountName?: string
  automountServiceAccountToken?: boolean
  hostNetwork?: boolean
  hostPID?: boolean
  dnsPolicy?: string
  dnsConfig?: { nameservers?: string[]; searches?: string[]; options?: { name?: string; value?: string }[] }
  restartPolicy?: 'Always' | 'OnFailure' | 'Never'
  terminationGracePeriodSeconds?: number
  priorityClassName?: string
  tolerations?: unknown[]
  securityContext?: { fsGroup?: number; runAsUser?: number; runAsGroup?: number; runAsNonRoot?: boolean }
}

export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason?: string
  message?: string
  lastTransitionTime?: string
  lastProbeTime?: string | null
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string }
  running?: { startedAt?: string }
  terminated?: { exitCode: number; reason?: string; message?: string; startedAt?: string; finishedAt?: string }
}

export interface ContainerStatus {
  name: string
  ready: boolean
  started?: boolean
  restartCount: number
  image: string
  imageID: string
  containerID?: string
  state?: ContainerState
  lastState?: ContainerState
}

export interface Pod extends KubeObject {
  spec: PodSpec
  status?: {
    phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
    conditions?: Condition[]
    containerStatuses?: ContainerStatus[]
    initContainerStatuses?: ContainerStatus[]
    hostIP?: string
    podIP?: string
    podIPs?: { ip: string }[]
    qosClass?: string
    startTime?: string
    reason?: string
    message?: string
  }
}

export interface Namespace extends KubeObject {
  status?: { phase?: string }
}

/** `data` is base64 on the wire; `type` defaults to Opaque. */
export interface Secret extends KubeObject {
  type?: string
  data?: Record<string, string>
  stringData?: Record<string, string>
  immutable?: boolean
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>
  binaryData?: Record<string, string>
  immutable?: boolean
}

export interface ServiceAccount extends KubeObject {
  automountServiceAccountToken?: boolean
}

export interface ObjectReference {
  apiVersion?: string | undefined
  kind?: string | undefined
  namespace?: string | undefined
  name?: string | undefined
  uid?: string | undefined
  fieldPath?: string | undefined
}

export interface KubeEvent extends KubeObject {
  involvedObject: ObjectReference
  type?: string
  reason?: string
  message?: string
  source?: { component?: string; host?: string | undefined }
  reportingComponent?: string
  reportingInstance?: string
  firstTimestamp?: string | null
  lastTimestamp?: string | null
  eventTime?: string | null
  count?: number
}

export interface Node extends KubeObject {
  /** `azure:///subscriptions/…`: which machine of the cloud it is. */
  spec?: { providerID?: string }
  status?: {
    conditions?: Condition[]
    addresses?: { type: string; address: string }[]
    nodeInfo?: Record<string, string>
    capacity?: Record<string, string>
    allocatable?: Record<string, string>
  }
}

/** https://kubernetes.io/docs/concepts/architecture/leases/ */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string | null
    leaseDurationSeconds?: number | null
    /** RFC 3339 with microseconds. */
    acquireTime?: string | null
    renewTime?: string | null
    leaseTransitions?: number | null
  }
}

export interface CsiDriver extends KubeObject {
  spec: {
    attachRequired?: boolean
    podInfoOnMount?: boolean
    requiresRepublish?: boolean
    volumeLifecycleModes?: string[]
    tokenRequests?: { audience: string; expirationSeconds?: number }[]
    serviceAccountTokenInSecrets?: boolean
    fsGroupPolicy?: string
  }
}

export interface CsiNode extends KubeObject {
  spec: { drivers: { name: string; nodeID: string; topologyKeys?: string[] | null }[] }
}

export interface PodTemplate {
  metadata?: ObjectMeta
  spec: PodSpec
}

export interface DaemonSet extends KubeObject {
  spec: { selector: { matchLabels?: Record<string, string> }; template: PodTemplate }
  status?: Record<string, unknown>
}

/** What a class asks to be mirrored into a Kubernetes Secret. */
export interface SecretObject {
  secretName?: string
  type?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  data?: { objectName?: string; key?: string }[]
}

export interface SecretProviderClass extends KubeObject {
  spec?: {
    provider?: string
    parameters?: Record<string, string>
    secretObjects?: SecretObject[]
  }
}

export interface SecretProviderClassPodStatus extends KubeObject {
  status?: {
    podName?: string
    secretProviderClassName?: string
    mounted?: boolean
    targetPath?: string
    objects?: { id?: string; version?: string }[]
  }
}

/** A token that the API server issued for a service account. */
export interface IssuedToken {
  token: string
  /** RFC 3339. */
  expirationTimestamp: string
}
