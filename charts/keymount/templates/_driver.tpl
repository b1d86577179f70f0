{{/* The driver: it mounts, so it is privileged; the only network service that it reads from is the Kubernetes API. All take {root, os, daemon}. */}}

{{- define "keymount.driver.container" }}secrets-store{{ end -}}

{{- define "keymount.driver.account" -}}
{{- include "keymount.upstreamName" (list . "secrets-store-csi-driver") -}}
{{- end -}}

{{/* The driver's directory below kubelet's plugins: a separate one for a second driver. */}}
{{- define "keymount.driver.plugin" -}}
{{- if include "keymount.isSecond" . }}{{ .Values.driver.name }}{{ else }}csi-secrets-store{{ end -}}
{{- end -}}

{{- define "keymount.driver.pod" }}{{ if eq .os "windows" }}hostNetwork: true{{ end }}{{ end -}}

{{/* An address of the driver, which with `combined` is on the network of the node. Takes (list {root, os, daemon} address). */}}
{{- define "keymount.driver.address" -}}
{{- $address := include "keymount.address" (last .) -}}
{{- if hasPrefix ":" $address }}{{ include "keymount.bindAddress" (first .) }}{{ end }}{{ $address -}}
{{- end -}}

{{- define "keymount.driver.args" -}}
{{- $values := .root.Values -}}
{{- $os := index $values .os -}}
- driver
- --endpoint=unix://{{ include "keymount.path" (list .os (include "keymount.directory" (list .os "/csi" (include "keymount.pluginDirectory" .))) "csi.sock") }}
- --drivername={{ $values.driver.name }}
- --nodeid=$(KUBE_NODE_NAME)
- --kubelet-registration-path={{ include "keymount.path" (list .os (include "keymount.pluginDirectory" .) "csi.sock") }}
- --registration-dir={{ include "keymount.directory" (list .os "/registration" (include "keymount.registryDirectory" .)) }}
- --provider-volume={{ $os.providersDir }}
- --additional-provider-volume-paths={{ join "," $os.additionalProvidersDirs }}
- --metrics-addr={{ include "keymount.driver.address" (list . $os.metricsAddr) }}
- --health-addr={{ include "keymount.driver.address" (list . (printf ":%v" $values.livenessProbe.port)) }}
- --enable-secret-rotation={{ $values.enableSecretRotation }}
{{- if not (kindIs "invalid" $values.rotationPollInterval) }}
- --rotation-poll-interval={{ $values.rotationPollInterval }}
{{- end }}
- --max-call-recv-msg-size={{ int64 $values.maxCallRecvMsgSize }}
{{- with $values.volumeMemoryBudget }}
- --volume-memory-budget={{ int64 . }}
{{- end }}
- --provider-health-check={{ $values.providerHealthCheck }}
- --provider-health-check-interval={{ $values.providerHealthCheckInterval }}
- -v={{ $values.logVerbosity }}
{{- end -}}

{{- define "keymount.driver.env" -}}
- name: KUBE_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{ include "keymount.processEnv" . }}
{{- end -}}

{{- define "keymount.driver.envFrom" }}{{ end -}}

{{- define "keymount.driver.ports" -}}
- name: healthz
  containerPort: {{ .root.Values.livenessProbe.port }}
- name: metrics
  containerPort: {{ include "keymount.portOf" (index .root.Values .os).metricsAddr }}
{{- end -}}

{{- define "keymount.driver.probe" -}}
httpGet:
  {{- with include "keymount.bindAddress" . }}
  host: {{ . | quote }}
  {{- end }}
  path: /healthz
  port: healthz
{{- end -}}

{{- define "keymount.driver.livenessProbe" -}}
{{ include "keymount.driver.probe" . }}
initialDelaySeconds: 30
timeoutSeconds: 10
periodSeconds: 15
failureThreshold: 5
{{- end -}}

{{/* Not /readyz, which also needs a provider: an update of the driver must not wait for another program. */}}
{{- define "keymount.driver.readinessProbe" -}}
{{ include "keymount.driver.probe" . }}
initialDelaySeconds: 1
timeoutSeconds: 10
periodSeconds: 5
{{- end -}}

{{- define "keymount.driver.securityContext" -}}
{{- if eq .os "windows" -}}
{{ include "keymount.hostProcess" . }}
{{- else -}}
# Bidirectional mount propagation requires a privileged container.
privileged: true
readOnlyRootFilesystem: true
{{- end -}}
{{- end -}}

{{/* On Windows the driver sees the directories of the node as they are. */}}
{{- define "keymount.driver.volumeMounts" -}}
{{- if eq .os "linux" -}}
{{- $os := index .root.Values .os -}}
- name: plugin-dir
  mountPath: /csi
- name: registration-dir
  mountPath: /registration
- name: mountpoint-dir
  mountPath: {{ include "keymount.path" (list .os $os.kubeletRootDir "pods") }}
  mountPropagation: Bidirectional
- name: providers-dir
  mountPath: {{ $os.providersDir }}
{{- range $i, $path := $os.additionalProvidersDirs }}
- name: additional-providers-dir{{ if $i }}-{{ $i }}{{ end }}
  mountPath: {{ $path }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "keymount.driver.volumes" -}}
{{- if eq .os "linux" -}}
{{- $os := index .root.Values .os -}}
- name: plugin-dir
  hostPath:
    path: {{ include "keymount.pluginDirectory" . }}
    type: DirectoryOrCreate
- name: registration-dir
  hostPath:
    path: {{ include "keymount.registryDirectory" . }}
    type: Directory
- name: mountpoint-dir
  hostPath:
    path: {{ include "keymount.path" (list .os $os.kubeletRootDir "pods") }}
    type: DirectoryOrCreate
- name: providers-dir
  hostPath:
    path: {{ $os.providersDir }}
    type: DirectoryOrCreate
{{- range $i, $path := $os.additionalProvidersDirs }}
- name: additional-providers-dir{{ if $i }}-{{ $i }}{{ end }}
  hostPath:
    path: {{ $path }}
    type: DirectoryOrCreate
{{- end }}
{{- end -}}
{{- end -}}

{{/* What Secret sync needs, in one namespace or, for an empty one, in all. Takes {root, namespace}. */}}
{{- define "keymount.driver.secretRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ empty .namespace | ternary "ClusterRole" "Role" }}
metadata:
  name: {{ include "keymount.upstreamName" (list .root "secretprovidersyncing-role") }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
rules:
  # To find the owner of the pod: a Secret is deleted with the last owner.
  - apiGroups: [""]
    resources: [pods]
    verbs: [get]
  # Read by name, written by server-side apply (create and patch), mostly removed by the cluster's garbage collector. delete: for
  # Secrets that no class names any more or whose type changes, and to add owners where that plug-in is on.
  - apiGroups: [""]
    resources: [secrets]
    verbs: [get, create, patch, delete]
{{- end -}}
