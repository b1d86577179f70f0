import { fields, labelSelector, list, metadataFields } from './fields.ts'

const keyRef = (struct: string) => fields(struct, 'name key optional:bool')
const optionalRef = (struct: string) => fields(struct, 'name optional:bool')
const keyToPath = list(fields('KeyToPath', 'key path mode:int32'))
const fieldRef = fields('ObjectFieldSelector', 'apiVersion fieldPath')
const resourceFieldRef = fields('ResourceFieldSelector', 'containerName divisor:quantity resource')
const downwardItems = list(fields('DownwardAPIVolumeFile', 'path mode:int32', { fieldRef, resourceFieldRef }))
const localReference = fields('LocalObjectReference', 'name')

const variable = fields('EnvVar', 'name value', {
  valueFrom: fields('EnvVarSource', 'fileKeyRef:any', {
    fieldRef,
    resourceFieldRef,
    configMapKeyRef: keyRef('ConfigMapKeySelector'),
    secretKeyRef: keyRef('SecretKeySelector'),
  }),
})

const handlers = {
  exec: fields('ExecAction', 'command:[]string'),
  httpGet: fields('HTTPGetAction', 'host path port:intstr scheme:v1.URIScheme', {
    httpHeaders: list(fields('HTTPHeader', 'name value')),
  }),
  tcpSocket: fields('TCPSocketAction', 'host port:intstr'),
}
const probe = fields(
  'Probe',
  `failureThreshold:int32 initialDelaySeconds:int32 periodSeconds:int32 successThreshold:int32
   terminationGracePeriodSeconds:int64 timeoutSeconds:int32`,
  { ...handlers, grpc: fields('GRPCAction', 'port:int32 service') },
)
const hook = fields('LifecycleHandler', '', { ...handlers, sleep: fields('SleepAction', 'seconds:int64') })

const container = fields(
  'Container',
  `args:[]string command:[]string image imagePullPolicy:v1.PullPolicy name resizePolicy:any
   restartPolicy:v1.ContainerRestartPolicy restartPolicyRules:any stdin:bool stdinOnce:bool terminationMessagePath
   terminationMessagePolicy:v1.TerminationMessagePolicy tty:bool volumeDevices:any workingDir targetContainerName`,
  {
    env: list(variable),
    envFrom: list(
      fields('EnvFromSource', 'prefix', {
        configMapRef: optionalRef('ConfigMapEnvSource'),
        secretRef: optionalRef('SecretEnvSource'),
      }),
    ),
    lifecycle: fields('Lifecycle', 'stopSignal', { postStart: hook, preStop: hook }),
    livenessProbe: probe,
    readinessProbe: probe,
    startupProbe: probe,
    ports: list(fields('ContainerPort', 'containerPort:int32 hostIP hostPort:int32 name protocol:v1.Protocol')),
    resources: fields('ResourceRequirements', 'claims:any limits:map[string]quantity requests:map[string]quantity'),
    securityContext: fields(
      'SecurityContext',
      `allowPrivilegeEscalation:bool appArmorProfile:any privileged:bool procMount readOnlyRootFilesystem:bool
       runAsGroup:int64 runAsNonRoot:bool runAsUser:int64 seLinuxOptions:any seccompProfile:any windowsOptions:any`,
      { capabilities: fields('Capabilities', 'add:[]v1.Capability drop:[]v1.Capability') },
    ),
    volumeMounts: list(
      fields(
        'VolumeMount',
        `mountPath mountPropagation:v1.MountPropagationMode name readOnly:bool
         recursiveReadOnly:v1.RecursiveReadOnlyMode subPath subPathExpr`,
      ),
    ),
  },
)

const volume = fields(
  'Volume',
  `awsElasticBlockStore:any azureDisk:any azureFile:any cephfs:any cinder:any ephemeral:any fc:any flexVolume:any
   flocker:any gcePersistentDisk:any gitRepo:any glusterfs:any image:any iscsi:any name nfs:any persistentVolumeClaim:any
   photonPersistentDisk:any portworxVolume:any quobyte:any rbd:any scaleIO:any storageos:any vsphereVolume:any`,
  {
    configMap: fields('ConfigMapVolumeSource', 'defaultMode:int32 name optional:bool', { items: keyToPath }),
    csi: fields('CSIVolumeSource', 'driver fsType readOnly:bool volumeAttributes:map[string]string', {
      nodePublishSecretRef: localReference,
    }),
    downwardAPI: fields('DownwardAPIVolumeSource', 'defaultMode:int32', { items: downwardItems }),
    emptyDir: fields('EmptyDirVolumeSource', 'medium:v1.StorageMedium sizeLimit:quantity'),
    hostPath: fields('HostPathVolumeSource', 'path type:v1.HostPathType'),
    projected: fields('ProjectedVolumeSource', 'defaultMode:int32', {
      sources: list(
        fields('VolumeProjection', 'clusterTrustBundle:any podCertificate:any', {
          configMap: fields('ConfigMapProjection', 'name optional:bool', { items: keyToPath }),
          downwardAPI: fields('DownwardAPIProjection', '', { items: downwardItems }),
          secret: fields('SecretProjection', 'name optional:bool', { items: keyToPath }),
          serviceAccountToken: fields('ServiceAccountTokenProjection', 'audience expirationSeconds:int64 path'),
        }),
      ),
    }),
    secret: fields('SecretVolumeSource', 'defaultMode:int32 optional:bool secretName', { items: keyToPath }),
  },
)

export const podSpecFields = fields(
  'PodSpec',
  `activeDeadlineSeconds:int64 affinity:any automountServiceAccountToken:bool dnsConfig:any dnsPolicy:v1.DNSPolicy
   enableServiceLinks:bool hostAliases:any hostIPC:bool hostNetwork:bool hostPID:bool hostUsers:bool hostname
   hostnameOverride nodeName nodeSelector:map[string]string os:any overhead:map[string]quantity
   preemptionPolicy:v1.PreemptionPolicy priority:int32 priorityClassName readinessGates:any resourceClaims:any
   resources:any restartPolicy:v1.RestartPolicy runtimeClassName schedulerName schedulingGates:any serviceAccount
   serviceAccountName setHostnameAsFQDN:bool shareProcessNamespace:bool subdomain terminationGracePeriodSeconds:int64
   topologySpreadConstraints:any`,
  {
    containers: list(container),
    initContainers: list(container),
    ephemeralContainers: list(container),
    imagePullSecrets: list(localReference),
    tolerations: list(
      fields('Toleration', 'effect:v1.TaintEffect key operator:v1.TolerationOperator tolerationSeconds:int64 value'),
    ),
    volumes: list(volume),
    securityContext: fields(
      'PodSecurityContext',
      `appArmorProfile:any fsGroup:int64 fsGroupChangePolicy:v1.PodFSGroupChangePolicy runAsGroup:int64 runAsNonRoot:bool
       runAsUser:int64 seLinuxChangePolicy:v1.PodSELinuxChangePolicy seLinuxOptions:any seccompProfile:any
       supplementalGroups:[]int64 supplementalGroupsPolicy:v1.SupplementalGroupsPolicy sysctls:any windowsOptions:any`,
    ),
  },
)

/** Selector and template, which all workloads have. */
export const templateFields = {
  selector: labelSelector,
  template: fields('PodTemplateSpec', '', { metadata: metadataFields, spec: podSpecFields }),
}
