{{/* The values of charts/keymount that upstream's values mean, as YAML: they are one level down there. Takes the root. */}}
{{- define "upstream.values" -}}
{{- $ours := include "keymount.defaults" . | fromYaml -}}
{{- $_ := include "upstream.take" (list .Values $ours.webhook (include "upstream.webhook.same" . | fromYamlArray) "") -}}
{{- $_ := include "upstream.take" (list .Values $ours (list "imagePullSecrets") "") -}}
{{- /* A budget has one of the two. */ -}}
{{- if ($ours.webhook.podDisruptionBudget).maxUnavailable }}{{ $_ := unset $ours.webhook.podDisruptionBudget "minAvailable" }}{{ end -}}
{{- $image := include "upstream.section" (list .Values "image" "") | fromYaml -}}
{{- $_ := include "upstream.take" (list $image $ours.linux.image (list "repository" "pullPolicy") "image.") -}}
{{- with $image.release }}{{ $_ := set $ours.linux.image "tag" (toString .) }}{{ end -}}
{{- $_ := set $ours.driver "install" false -}}
{{- $_ := set $ours.provider "install" false -}}
{{- $_ := set $ours.webhook "enabled" true -}}
{{- $_ := set $ours.webhook "azureTenantID" (required "A valid .Values.azureTenantID entry required!" .Values.azureTenantID) -}}
{{- $_ := set $ours "upstreamNames" (dict "app" (default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-")) -}}
{{- toYaml $ours -}}
{{- end -}}

{{- define "upstream.webhook.same" -}}
[replicaCount, azureEnvironment, logLevel, metricsAddr, mutatingWebhookAnnotations, mutatingWebhookNamespaceSelector, podDisruptionBudget, customTokenEndpoint, extraEnv, podLabels, podAnnotations, nodeSelector, tolerations, affinity, topologySpreadConstraints, priorityClassName, resources]
{{- end -}}

{{/* Values that are set and have no counterpart in Keymount, as a YAML list. Takes the root. */}}
{{- define "upstream.ignored" -}}
{{- $ignored := list -}}
{{- range $key := list "metricsBackend" "revisionHistoryLimit" "extraVolumes" "extraVolumeMounts" "service" -}}
  {{- if index $.Values $key }}{{ $ignored = append $ignored $key }}{{ end -}}
{{- end -}}
{{- toYaml $ignored -}}
{{- end -}}
