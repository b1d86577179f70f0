{{/* Pod identity, for clusters that are not yet migrated. Names and labels are upstream's; a cluster has at most one. */}}

{{/* What selects a component's pods. Takes {root, component}. */}}
{{- define "keymount.podIdentity.selector" -}}
k8s-app: aad-pod-id
component: {{ .component }}
{{- end -}}

{{- define "keymount.podIdentity.labels" -}}
{{ include "keymount.podIdentity.selector" . }}
app.kubernetes.io/component: {{ .component }}
{{ include "keymount.labels" .root }}
{{- end -}}

{{/* The controller is installed in standard mode only. */}}
{{- define "keymount.podIdentity.hasMic" -}}
{{- if and .Values.podIdentity.enabled (eq .Values.podIdentity.operationMode "standard") }}true{{ end -}}
{{- end -}}

{{- define "keymount.podIdentity.leaseNamespace" -}}
{{- .Values.podIdentity.mic.leaderElection.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "keymount.podIdentity.leaseName" -}}
{{- .Values.podIdentity.mic.leaderElection.name | default "aad-pod-identity-mic" -}}
{{- end -}}

{{- define "keymount.podIdentity.micArgs" -}}
{{- $mic := .Values.podIdentity.mic -}}
- mic
{{- if not .Values.podIdentity.adminsecret }}
{{ include "keymount.flag" (list "--cloudconfig" $mic.cloudConfig) }}
{{- end }}
{{- if .Values.podIdentity.forceNamespaced }}
- --forceNamespaced=true
{{- end }}
- --leader-election-namespace={{ include "keymount.podIdentity.leaseNamespace" . }}
- --leader-election-name={{ include "keymount.podIdentity.leaseName" . }}
{{- with $mic.leaderElection.instance }}
- --leader-election-instance={{ . }}
{{- end }}
{{- with $mic.leaderElection.duration }}
- --leader-election-duration={{ . }}
{{- end }}
{{ include "keymount.flag" (list "--http-probe-port" $mic.probePort) }}
{{ include "keymount.flag" (list "--prometheus-port" $mic.prometheusPort) }}
{{ include "keymount.flag" (list "--syncRetryDuration" $mic.syncRetryDuration) }}
{{ include "keymount.flag" (list "--createDeleteBatch" $mic.createDeleteBatch) }}
{{ include "keymount.flag" (list "--update-user-msi-max-retry" $mic.updateUserMSIMaxRetry) }}
{{ include "keymount.flag" (list "--update-user-msi-retry-interval" $mic.updateUserMSIRetryInterval) }}
{{ include "keymount.flag" (list "--identity-assignment-reconcile-interval" $mic.identityAssignmentReconcileInterval) }}
{{- with $mic.immutableUserMSIs }}
- --immutable-user-msis={{ join "," . }}
{{- end }}
{{ include "keymount.podIdentity.initialFlag" . }}
{{ include "keymount.flag" (list "-v" $mic.logVerbosity) }}
{{- range $mic.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Variables of `adminsecret`, with its key and the key of the Secret. */}}
{{- define "keymount.podIdentity.adminKeys" -}}
CLOUD: {key: Cloud, value: cloud}
SUBSCRIPTION_ID: {key: SubscriptionID, value: subscriptionID}
RESOURCE_GROUP: {key: ResourceGroup, value: resourceGroup}
VM_TYPE: {key: VMType, value: vmType}
TENANT_ID: {key: TenantID, value: tenantID}
CLIENT_ID: {key: ClientID, value: clientID}
CLIENT_SECRET: {key: ClientSecret, value: clientSecret}
USE_MSI: {key: UseMSI, value: useMSI}
USER_ASSIGNED_MSI_CLIENT_ID: {key: UserAssignedMSIClientID, value: userAssignedMSIClientID}
{{- end -}}

{{- define "keymount.podIdentity.micEnv" -}}
- name: MIC_POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- if .Values.podIdentity.mic.customCloud.enabled }}
- name: AZURE_ENVIRONMENT_FILEPATH
  value: {{ .Values.podIdentity.mic.customCloud.configPath | quote }}
{{- end }}
{{- range $name, $from := include "keymount.podIdentity.adminKeys" . | fromYaml }}
{{- if hasKey ($.Values.podIdentity.adminsecret | default dict) $from.value }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: aad-pod-identity-admin-secret
      key: {{ $from.key }}
{{- end }}
{{- end }}
{{ include "keymount.provider.env" (dict "root" . "os" "linux") }}
{{- end -}}

{{- define "keymount.podIdentity.nmiArgs" -}}
{{- $nmi := .Values.podIdentity.nmi -}}
- nmi
- --node=$(NODE_NAME)
{{ include "keymount.flag" (list "--operation-mode" .Values.podIdentity.operationMode) }}
{{- if or .Values.podIdentity.forceNamespaced (eq .Values.podIdentity.operationMode "managed") }}
- --forceNamespaced=true
{{- end }}
- --MICNamespace={{ $nmi.micNamespace | default .Release.Namespace }}
{{ include "keymount.flag" (list "--http-probe-port" $nmi.probePort) }}
{{ include "keymount.flag" (list "--prometheus-port" $nmi.prometheusPort) }}
{{ include "keymount.flag" (list "--ipt-update-interval-sec" $nmi.ipTableUpdateTimeIntervalInSeconds) }}
{{ include "keymount.flag" (list "--retry-attempts-for-created" $nmi.retryAttemptsForCreated) }}
{{ include "keymount.flag" (list "--retry-attempts-for-assigned" $nmi.retryAttemptsForAssigned) }}
{{ include "keymount.flag" (list "--find-identity-retry-interval" $nmi.findIdentityRetryIntervalInSeconds) }}
{{ include "keymount.flag" (list "--block-instance-metadata" $nmi.blockInstanceMetadata) }}
{{ include "keymount.flag" (list "--metadata-header-required" $nmi.metadataHeaderRequired) }}
{{ include "keymount.flag" (list "--set-retry-after-header" $nmi.setRetryAfterHeader) }}
{{- if $nmi.allowCrossNamespaceSecrets }}
- --allow-cross-namespace-secrets=true
{{- end }}
{{- with $nmi.allowedAuthorities }}
- --allowed-authorities={{ join "," . }}
{{- end }}
{{ include "keymount.flag" (list "--allow-network-plugin-kubenet" $nmi.allowNetworkPluginKubenet) }}
{{ include "keymount.flag" (list "--kubelet-config" $nmi.kubeletConfig) }}
{{- if not (include "keymount.podIdentity.hasMic" .) }}
{{ include "keymount.podIdentity.initialFlag" . }}
{{- end }}
{{ include "keymount.flag" (list "-v" $nmi.logVerbosity) }}
{{- range $nmi.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/*
The objects of values, as YAML documents. They belong to the release in the annotations too, so that the release can adopt those
that a program of it created. Takes the root.
*/}}
{{- define "keymount.podIdentity.objects" -}}
{{- $ours := dict "meta.helm.sh/release-name" .Release.Name "meta.helm.sh/release-namespace" .Release.Namespace -}}
{{- if and .Values.podIdentity.installMICException (include "keymount.podIdentity.hasMic" .) }}
---
apiVersion: aadpodidentity.k8s.io/v1
kind: AzurePodIdentityException
metadata:
  name: mic
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "keymount.labels" . | nindent 4 }}
  annotations:
    {{- toYaml $ours | nindent 4 }}
spec:
  # One label, because any single one exempts a pod.
  podLabels:
    app.kubernetes.io/component: mic
{{- /* A cluster has one: the object of an earlier release or of another installation is not changed. */}}
{{- $found := dict }}
{{- if include "keymount.podIdentity.kindsServed" . }}
{{- $found = lookup "aadpodidentity.k8s.io/v1" "AzurePodIdentityException" "kube-system" "aks-addon-exception" }}
{{- end }}
{{- if or (not $found) (include "keymount.isOurs" (list . $found)) }}
---
apiVersion: aadpodidentity.k8s.io/v1
kind: AzurePodIdentityException
metadata:
  name: aks-addon-exception
  namespace: kube-system
  labels:
    {{- include "keymount.labels" . | nindent 4 }}
  annotations:
    {{- toYaml $ours | nindent 4 }}
spec:
  podLabels:
    kubernetes.azure.com/managedby: aks
{{- end }}
{{- end }}
{{- range $name, $identity := .Values.podIdentity.azureIdentities }}
---
apiVersion: aadpodidentity.k8s.io/v1
kind: AzureIdentity
metadata:
  name: {{ $identity.name | default $name }}
  namespace: {{ $identity.namespace | default $.Release.Namespace }}
  labels:
    {{- include "keymount.labels" $ | nindent 4 }}
  annotations:
    {{- if $.Values.podIdentity.forceNamespaced }}
    aadpodidentity.k8s.io/Behavior: namespaced
    {{- end }}
    {{- toYaml $ours | nindent 4 }}
spec:
  {{- toYaml (omit $identity "name" "namespace" "binding") | nindent 2 }}
---
apiVersion: aadpodidentity.k8s.io/v1
kind: AzureIdentityBinding
metadata:
  name: {{ $identity.binding.name }}
  namespace: {{ $identity.namespace | default $.Release.Namespace }}
  labels:
    {{- include "keymount.labels" $ | nindent 4 }}
  annotations:
    {{- toYaml $ours | nindent 4 }}
spec:
  azureIdentity: {{ $identity.name | default $name }}
  selector: {{ $identity.binding.selector | quote }}
{{- end }}
{{- end -}}

{{- define "keymount.podIdentity.kindsServed" -}}
{{- if .Capabilities.APIVersions.Has "aadpodidentity.k8s.io/v1" }}true{{ end -}}
{{- end -}}

{{/*
The same objects for a program of the release to create, as a list under the key `objects`: in the first installation the API
server does not serve their kinds yet, and Helm refuses them. The next upgrade has them in the release. Takes the root.
*/}}
{{- define "keymount.podIdentity.initialObjects" -}}
{{- $objects := list -}}
{{- if not (include "keymount.podIdentity.kindsServed" .) -}}
{{- range include "keymount.podIdentity.objects" . | splitList "\n---\n" -}}
{{- with fromYaml . }}{{ $objects = append $objects . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- dict "objects" $objects | toYaml -}}
{{- end -}}

{{- define "keymount.podIdentity.initialName" }}aad-pod-identity-initial-objects{{ end -}}
{{- define "keymount.podIdentity.initialDirectory" }}/etc/aad-pod-identity/initial-objects{{ end -}}

{{/* Which program creates them: the only one in managed mode is NMI. */}}
{{- define "keymount.podIdentity.creator" -}}
{{- if include "keymount.podIdentity.hasMic" . }}aad-pod-identity-mic{{ else }}aad-pod-identity-nmi{{ end -}}
{{- end -}}

{{- define "keymount.podIdentity.initialFlag" -}}
- --initial-objects={{ include "keymount.podIdentity.initialDirectory" . }}/objects.json
{{- end -}}

{{- define "keymount.podIdentity.initialMount" -}}
- name: initial-objects
  mountPath: {{ include "keymount.podIdentity.initialDirectory" . }}
  readOnly: true
{{- end -}}

{{/* Optional, so that pods stay the same when an upgrade removes the ConfigMap. */}}
{{- define "keymount.podIdentity.initialVolume" -}}
- name: initial-objects
  configMap:
    name: {{ include "keymount.podIdentity.initialName" . }}
    optional: true
{{- end -}}
