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
- --cloudconfig={{ $mic.cloudConfig }}
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
- --http-probe-port={{ $mic.probePort }}
- --prometheus-port={{ $mic.prometheusPort }}
- --syncRetryDuration={{ $mic.syncRetryDuration }}
- --createDeleteBatch={{ $mic.createDeleteBatch }}
- --update-user-msi-max-retry={{ $mic.updateUserMSIMaxRetry }}
- --update-user-msi-retry-interval={{ $mic.updateUserMSIRetryInterval }}
- --identity-assignment-reconcile-interval={{ $mic.identityAssignmentReconcileInterval }}
{{- with $mic.immutableUserMSIs }}
- --immutable-user-msis={{ join "," . }}
{{- end }}
- -v={{ $mic.logVerbosity }}
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
- --operation-mode={{ .Values.podIdentity.operationMode }}
{{- if or .Values.podIdentity.forceNamespaced (eq .Values.podIdentity.operationMode "managed") }}
- --forceNamespaced=true
{{- end }}
- --MICNamespace={{ $nmi.micNamespace | default .Release.Namespace }}
- --http-probe-port={{ $nmi.probePort }}
- --prometheus-port={{ $nmi.prometheusPort }}
- --ipt-update-interval-sec={{ $nmi.ipTableUpdateTimeIntervalInSeconds }}
- --retry-attempts-for-created={{ $nmi.retryAttemptsForCreated }}
- --retry-attempts-for-assigned={{ $nmi.retryAttemptsForAssigned }}
- --find-identity-retry-interval={{ $nmi.findIdentityRetryIntervalInSeconds }}
- --block-instance-metadata={{ $nmi.blockInstanceMetadata }}
- --metadata-header-required={{ $nmi.metadataHeaderRequired }}
- --set-retry-after-header={{ $nmi.setRetryAfterHeader }}
{{- if $nmi.allowCrossNamespaceSecrets }}
- --allow-cross-namespace-secrets=true
{{- end }}
{{- with $nmi.allowedAuthorities }}
- --allowed-authorities={{ join "," . }}
{{- end }}
- --allow-network-plugin-kubenet={{ $nmi.allowNetworkPluginKubenet }}
- --kubelet-config={{ $nmi.kubeletConfig }}
- -v={{ $nmi.logVerbosity }}
{{- range $nmi.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/*
Annotations of an object whose kind this release installs: Helm checks that the kind exists before it creates anything. In the
first installation the object is created afterwards, by a hook; the next upgrade adopts it into the release.
*/}}
{{- define "keymount.podIdentity.late" -}}
{{- if not (.Capabilities.APIVersions.Has "aadpodidentity.k8s.io/v1") -}}
helm.sh/hook: post-install,post-upgrade
meta.helm.sh/release-name: {{ .Release.Name }}
meta.helm.sh/release-namespace: {{ .Release.Namespace }}
{{- end -}}
{{- end -}}
