import type { Schema } from './structural-schema.ts'

/**
 * The fields of the built-in kinds, so that a misspelt one is found as the real API server finds it. A field without a
 * child schema holds anything. https://kubernetes.io/docs/reference/kubernetes-api/
 */
const anything: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

function fields(names: string, children: Record<string, Schema> = {}): Schema {
  const plain = names.split(/\s+/).filter((name) => name !== '')
  return { properties: { ...Object.fromEntries(plain.map((name) => [name, anything])), ...children } }
}

const list = (items: Schema): Schema => ({ items })

/** Of every object, custom ones too. */
export const metadataFields = fields(
  'annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation labels managedFields name namespace ownerReferences resourceVersion selfLink uid',
)

const keyRef = fields('name key optional')
const keyToPath = list(fields('key path mode'))
const fieldRef = fields('apiVersion fieldPath')
const resourceFieldRef = fields('containerName divisor resource')
const downwardItems = list(fields('path mode', { fieldRef, resourceFieldRef }))

const env = list(
  fields('name value', {
    valueFrom: fields('fileKeyRef', { fieldRef, resourceFieldRef, configMapKeyRef: keyRef, secretKeyRef: keyRef }),
  }),
)

const action = {
  exec: fields('command'),
  httpGet: fields('host httpHeaders path port scheme'),
  tcpSocket: fields('host port'),
}
const probe = fields(
  'failureThreshold grpc initialDelaySeconds periodSeconds successThreshold terminationGracePeriodSeconds timeoutSeconds',
  action,
)
const hook = fields('sleep', action)

const container = fields(
  'args command image imagePullPolicy name resizePolicy resources restartPolicy restartPolicyRules stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices workingDir targetContainerName',
  {
    env,
    envFrom: list(fields('prefix', { configMapRef: fields('name optional'), secretRef: fields('name optional') })),
    lifecycle: fields('stopSignal', { postStart: hook, preStop: hook }),
    livenessProbe: probe,
    readinessProbe: probe,
    startupProbe: probe,
    ports: list(fields('containerPort hostIP hostPort name protocol')),
    securityContext: fields(
      'allowPrivilegeEscalation appArmorProfile capabilities privileged procMount readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxOptions seccompProfile windowsOptions',
    ),
    volumeMounts: list(fields('mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr')),
  },
)

const volume = fields(
  'awsElasticBlockStore azureDisk azureFile cephfs cinder ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs image iscsi name nfs persistentVolumeClaim photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume',
  {
    configMap: fields('defaultMode name optional', { items: keyToPath }),
    csi: fields('driver fsType readOnly volumeAttributes', { nodePublishSecretRef: fields('name') }),
    downwardAPI: fields('defaultMode', { items: downwardItems }),
    emptyDir: fields('medium sizeLimit'),
    hostPath: fields('path type'),
    projected: fields('defaultMode', {
      sources: list(
        fields('clusterTrustBundle podCertificate', {
          configMap: fields('name optional', { items: keyToPath }),
          downwardAPI: fields('', { items: downwardItems }),
          secret: fields('name optional', { items: keyToPath }),
          serviceAccountToken: fields('audience expirationSeconds path'),
        }),
      ),
    }),
    secret: fields('defaultMode optional secretName', { items: keyToPath }),
  },
)

const podSpec = fields(
  'activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride imagePullSecrets nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints',
  {
    containers: list(container),
    initContainers: list(container),
    ephemeralContainers: list(container),
    volumes: list(volume),
    securityContext: fields(
      'appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls windowsOptions',
    ),
  },
)

const template = {
  selector: fields('matchExpressions matchLabels'),
  template: fields('', { metadata: metadataFields, spec: podSpec }),
}
const rules = list(fields('apiGroups nonResourceURLs resourceNames resources verbs'))
const binding = { roleRef: fields('apiGroup kind name'), subjects: list(fields('apiGroup kind name namespace')) }

const object = (names: string, children: Record<string, Schema> = {}) =>
  fields(`apiVersion kind ${names}`, { metadata: metadataFields, ...children })

/** By plural. */
export const builtInFields: Record<string, Schema> = {
  namespaces: object('status', { spec: fields('finalizers') }),
  pods: object('status', { spec: podSpec }),
  secrets: object('data immutable stringData type'),
  configmaps: object('binaryData data immutable'),
  services: object('status', {
    spec: fields(
      'allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig trafficDistribution type',
      { ports: list(fields('appProtocol name nodePort port protocol targetPort')) },
    ),
  }),
  mutatingwebhookconfigurations: object('', {
    webhooks: list(
      fields(
        'admissionReviewVersions failurePolicy matchPolicy name namespaceSelector objectSelector reinvocationPolicy sideEffects timeoutSeconds',
        {
          clientConfig: fields('caBundle url', { service: fields('name namespace path port') }),
          matchConditions: list(fields('expression name')),
          rules: list(fields('apiGroups apiVersions operations resources scope')),
        },
      ),
    ),
  }),
  poddisruptionbudgets: object('status', {
    spec: fields('maxUnavailable minAvailable selector unhealthyPodEvictionPolicy'),
  }),
  serviceaccounts: object('automountServiceAccountToken imagePullSecrets secrets'),
  events: object(
    'action count eventTime firstTimestamp involvedObject lastTimestamp message reason related reportingComponent reportingInstance series source type',
  ),
  nodes: object('status', { spec: fields('configSource externalID podCIDR podCIDRs providerID taints unschedulable') }),
  daemonsets: object('status', { spec: fields('minReadySeconds revisionHistoryLimit updateStrategy', template) }),
  deployments: object('status', {
    spec: fields('minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit strategy', template),
  }),
  replicasets: object('status', { spec: fields('minReadySeconds replicas', template) }),
  roles: object('', { rules }),
  clusterroles: object('aggregationRule', { rules }),
  rolebindings: object('', binding),
  clusterrolebindings: object('', binding),
  csidrivers: object('', {
    spec: fields(
      'attachRequired fsGroupPolicy nodeAllocatableUpdatePeriodSeconds podInfoOnMount requiresRepublish seLinuxMount serviceAccountTokenInSecrets storageCapacity volumeLifecycleModes',
      { tokenRequests: list(fields('audience expirationSeconds')) },
    ),
  }),
  leases: object('', {
    spec: fields('acquireTime holderIdentity leaseDurationSeconds leaseTransitions preferredHolder renewTime strategy'),
  }),
  csinodes: object('', { spec: fields('', { drivers: list(fields('allocatable name nodeID topologyKeys')) }) }),
  customresourcedefinitions: object('status', {
    spec: fields('conversion group preserveUnknownFields scope versions', {
      names: fields('categories kind listKind plural shortNames singular'),
    }),
  }),
}
