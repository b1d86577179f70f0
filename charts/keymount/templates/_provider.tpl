{{/* The Azure provider: it reads from the network, so it has no privileges. All take {root, os, daemon}. */}}

{{- define "keymount.provider.container" }}provider-azure-installer{{ end -}}

{{- define "keymount.provider.account" -}}
{{- include "keymount.upstreamName" (list . "csi-secrets-store-provider-azure") -}}
{{- end -}}

{{/* Managed identity (IMDS) and pod identity (NMI) answer on the host's network only. */}}
{{- define "keymount.provider.pod" -}}
hostNetwork: true
{{- if eq .os "linux" }}
dnsPolicy: {{ .root.Values.linux.dnsPolicy }}
{{- end }}
{{- end -}}

{{- define "keymount.provider.args" -}}
- provider
- --endpoint=unix://{{ include "keymount.path" (list .os (include "keymount.directory" (list .os "/provider" (index .root.Values .os).providersDir)) "azure.sock") }}
{{ include "keymount.provider.flags" . }}
- -v={{ .root.Values.logVerbosity }}
{{- end -}}

{{/* Where a daemon on the network of the node listens for probes and /metrics; empty: on every address. */}}
{{- define "keymount.bindAddress" -}}
{{- if or (eq .os "windows") (ne .daemon "driver") }}{{ (index .root.Values .os).bindAddress | default "" }}{{ end -}}
{{- end -}}

{{- define "keymount.provider.flags" -}}
{{- $values := .root.Values -}}
{{- $os := index $values .os -}}
{{- $host := include "keymount.bindAddress" . }}
{{- $prefix := eq .daemon "node" | ternary "provider-" "" }}
{{- $metricsPort := include "keymount.portOf" $values.metricsAddr }}
{{- if $host }}
- --{{ $prefix }}health-addr={{ $host }}:{{ $os.healthzPort }}
- --{{ $prefix }}metrics-addr={{ empty $metricsPort | ternary "0" (printf "%s:%s" $host $metricsPort) }}
{{- else }}
- --healthz-port={{ $os.healthzPort }}
- --prometheus-port={{ $metricsPort | default "0" }}
{{- end }}
- --healthz-path={{ $os.healthzPath }}
- --healthz-timeout={{ $os.healthzTimeout }}
- --construct-pem-chain={{ $values.constructPEMChain }}
- --write-cert-and-key-in-separate-files={{ $values.writeCertAndKeyInSeparateFiles }}
- --max-mount-bytes={{ int64 $values.maxCallRecvMsgSize }}
- --managed-identities={{ $values.managedIdentities }}
{{- if or $values.cloudFiles.configMap $values.cloudFiles.hostPath }}
- --cloud-files={{ include "keymount.cloudDirectory" .os }}
{{- end }}
{{- with $os.customUserAgent }}
- {{ printf "--custom-user-agent=%s" . | quote }}
{{- end }}
{{- end -}}

{{- define "keymount.provider.env" -}}
{{ include "keymount.processEnv" . }}
{{ include "keymount.provider.trustEnv" . }}
{{- end -}}

{{- define "keymount.provider.envFrom" -}}
- configMapRef:
    name: {{ include "keymount.environmentName" . }}
    optional: true
{{- end -}}

{{/* Names of a pod's ports are unique, and those of `combined` are the driver's. */}}
{{- define "keymount.provider.ports" -}}
{{- $prefix := eq .daemon "node" | ternary "azure-" "" -}}
{{- with include "keymount.portOf" .root.Values.metricsAddr -}}
- name: {{ $prefix }}metrics
  containerPort: {{ . }}
{{ end -}}
- name: {{ $prefix }}healthz
  containerPort: {{ (index .root.Values .os).healthzPort }}
{{- end -}}

{{- define "keymount.provider.probe" -}}
httpGet:
  {{- with include "keymount.bindAddress" . }}
  host: {{ . | quote }}
  {{- end }}
  path: {{ (index .root.Values .os).healthzPath }}
  port: healthz
{{- end -}}

{{- define "keymount.provider.readinessProbe" -}}
{{ include "keymount.provider.probe" . }}
initialDelaySeconds: 1
timeoutSeconds: 10
periodSeconds: 5
{{- end -}}

{{- define "keymount.provider.livenessProbe" -}}
{{ include "keymount.provider.probe" . }}
initialDelaySeconds: 5
timeoutSeconds: 10
periodSeconds: 30
failureThreshold: 3
{{- end -}}

{{- define "keymount.provider.securityContext" -}}
{{- if eq .os "windows" -}}
{{ include "keymount.hostProcess" . }}
{{- else if .root.Values.linux.privileged -}}
privileged: true
runAsUser: 0
runAsGroup: 0
readOnlyRootFilesystem: true
{{- else -}}
# Root without any capability, because the directory of sockets on the node belongs to root.
runAsUser: 0
runAsGroup: 0
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}
{{- end -}}

{{- define "keymount.provider.volumeMounts" -}}
{{- if eq .os "linux" }}
- name: providers-dir
  mountPath: /provider
{{- end }}
{{ include "keymount.provider.trustMount" . }}
{{ include "keymount.provider.cloudMount" . }}
{{- end -}}

{{- define "keymount.provider.volumes" -}}
{{- if eq .os "linux" }}
- name: providers-dir
  hostPath:
    path: {{ (index .root.Values .os).providersDir }}
    type: DirectoryOrCreate
{{- end }}
{{ include "keymount.provider.trustVolume" . }}
{{ include "keymount.provider.cloudVolume" . }}
{{- end -}}

{{- define "keymount.provider.trustMount" -}}
- name: trust
  mountPath: {{ include "keymount.trustDirectory" .os }}
  readOnly: true
{{- end -}}

{{- define "keymount.provider.trustVolume" -}}
- name: trust
  configMap:
    name: {{ include "keymount.trustName" . }}
    optional: true
{{- end -}}

{{- define "keymount.provider.cloudMount" -}}
{{- with .root.Values.cloudFiles -}}
{{- if or .configMap .hostPath -}}
- name: clouds
  mountPath: {{ include "keymount.cloudDirectory" $.os }}
  readOnly: true
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "keymount.provider.cloudVolume" -}}
{{- with .root.Values.cloudFiles -}}
{{- if .configMap -}}
- name: clouds
  configMap:
    name: {{ .configMap }}
{{- else if .hostPath -}}
- name: clouds
  hostPath:
    path: {{ .hostPath }}
    type: Directory
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "keymount.provider.trustEnv" -}}
{{- if .root.Values.proxySettings.proxyCert -}}
- name: NODE_EXTRA_CA_CERTS
  value: {{ include "keymount.path" (list .os (include "keymount.trustDirectory" .os) "ca.crt") }}
{{- end -}}
{{- end -}}
