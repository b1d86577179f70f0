{{/* The workload identity webhook. Names are upstream's, because test suites and users rely on them; a cluster has at most one. All take the root. */}}

{{- define "keymount.controller.name" }}azure-workload-identity-webhook-controller-manager{{ end -}}

{{- define "keymount.controller.selector" -}}
app: workload-identity-webhook
azure-workload-identity.io/system: "true"
{{- end -}}

{{- define "keymount.controller.labels" -}}
{{- merge (include "keymount.controller.selector" . | fromYaml) (dict "app.kubernetes.io/component" "webhook") (include "keymount.labels" . | fromYaml) | toYaml -}}
{{- end -}}

{{- define "keymount.controller.args" -}}
- controller
- --webhook-addr=:{{ .Values.webhook.port }}
- --health-addr=:{{ .Values.webhook.healthPort }}
- --metrics-addr={{ include "keymount.address" .Values.webhook.metricsAddr }}
{{- with .Values.webhook.logLevel }}
- --log-level={{ . }}
{{- end }}
- --legacy-token-path={{ .Values.webhook.legacyTokenPath | default false }}
{{- with .Values.webhook.classChecks }}
- --class-checks={{ ternary (ternary "refuse" "warn" .refuse) "off" .enabled }}
{{- end }}
{{- if .Values.webhook.envFiles.enabled }}
- --env-files
{{- end }}
{{- with .Values.webhook.audience }}
- --audience={{ . }}
{{- end }}
{{- with .Values.webhook.serviceAccountSelector }}
- {{ printf "--service-account-selector=%s" . | quote }}
{{- end }}
{{- with .Values.webhook.customTokenEndpoint.annotationSuffix }}
- --custom-token-endpoint-annotation-suffix={{ . }}
{{- end }}
{{- with .Values.webhook.customTokenEndpoint.audience }}
- --custom-token-endpoint-audience={{ . }}
{{- end }}
{{- with .Values.webhook.clientCertificate }}
{{- if .caConfigMap }}
- --client-ca-file=/client-ca/ca.crt
{{- with .names }}
- {{ printf "--client-names=%s" (join "," .) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.webhook.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/*
Environment of the webhook for the proxy sidecars that it injects: images, and the HTTP proxy of `proxySettings`. The CA is
passed as text, because the sidecar's namespace does not have our ConfigMap.
*/}}
{{- define "keymount.controller.proxyEnv" -}}
{{- $image := include "keymount.image" (dict "root" . "os" "linux") -}}
PROXY_IMAGE: {{ .Values.webhook.proxy.image | default $image }}
PROXY_INIT_IMAGE: {{ .Values.webhook.proxy.initImage | default $image }}
{{- with .Values.webhook.proxy.extraArgs }}
PROXY_ARGS: {{ join " " . | quote }}
{{- end }}
{{- with .Values.webhook.proxy.resources }}
PROXY_RESOURCES: {{ toJson . | quote }}
{{- end }}
{{- with .Values.webhook.proxy.initResources }}
PROXY_INIT_RESOURCES: {{ toJson . | quote }}
{{- end }}
{{- range $name, $value := include "keymount.proxyEnv" . | fromYaml }}
PROXY_ENV_{{ $name }}: {{ $value | quote }}
{{- end }}
{{- with .Values.proxySettings.proxyCert }}
PROXY_ENV_KEYMOUNT_EXTRA_CA: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "keymount.controller.env" -}}
{{- $endpoint := .Values.webhook.customTokenEndpoint -}}
- name: AZURE_TENANT_ID
  value: {{ required "A valid .Values.webhook.azureTenantID entry required!" .Values.webhook.azureTenantID | quote }}
- name: AZURE_ENVIRONMENT
  value: {{ .Values.webhook.azureEnvironment | quote }}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- range $name, $value := dict
  "TOKEN_PROXY" $endpoint.azureKubernetesTokenProxy
  "SNI_NAME" $endpoint.azureKubernetesSniName
  "CA_DATA" $endpoint.azureKubernetesCaData
  "CA_CONFIGMAP_NAME" $endpoint.azureKubernetesCAConfigMapName
  "CA_CTB_SIGNER_NAME" $endpoint.azureKubernetesCACTBSignerName
  "CA_CTB_LABEL_SELECTOR" $endpoint.azureKubernetesCACTBLabelSelector }}
{{- with $value }}
- name: AZURE_KUBERNETES_{{ $name }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- $own := list }}
{{- range .Values.webhook.extraEnv }}{{ $own = append $own .name }}{{ end }}
{{- range $name, $value := include "keymount.controller.proxyEnv" . | fromYaml }}
{{- if not (has $name $own) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{ include "keymount.processEnv" (dict "root" . "os" "linux") }}
{{- with .Values.webhook.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Whether the manifest of a webhook configuration has rules. The webhook adds them when it can serve, and an upgrade leaves them.
With --disable-cert-rotation it changes no configuration. Rules of upstream's chart or of an older release of ours are in the
manifest of that release, so that an upgrade without them would remove them. Takes (list . kind name).
*/}}
{{- define "keymount.controller.statesRules" -}}
{{- $root := index . 0 -}}
{{- $isOffline := false -}}
{{- range $root.Values.webhook.extraArgs }}{{ if regexMatch "^--?disable-cert-rotation(=true)?$" . }}{{ $isOffline = true }}{{ end }}{{ end -}}
{{- $found := lookup "admissionregistration.k8s.io/v1" (index . 1) "" (index . 2) | default dict -}}
{{- $isOurs := eq (dig "metadata" "annotations" "keymount.dev/registered-by" "" $found) "webhook" -}}
{{- $hasRules := false -}}
{{- range $found.webhooks }}{{ if .rules }}{{ $hasRules = true }}{{ end }}{{ end -}}
{{- if or $isOffline (and $hasRules (not $isOurs)) }}true{{ end -}}
{{- end -}}
