{{/* The values of charts/keymount that upstream's values mean, as YAML: they are one level down there. Takes the root. */}}
{{- define "upstream.values" -}}
{{- $ours := include "keymount.defaults" . | fromYaml -}}
{{- $_ := include "upstream.take" (list .Values $ours.sync (include "upstream.sync.same" . | fromYamlArray) "") -}}
{{- $_ := include "upstream.take" (list .Values $ours (list "logVerbosity") "") -}}
{{- $policies := include "upstream.section" (list .Values "validatingAdmissionPolicies" "") | fromYaml -}}
{{- $_ := include "upstream.take" (list $policies $ours.sync (list "applyPolicies" "allowedSecretTypes") "validatingAdmissionPolicies.") -}}
{{- $audiences := list -}}
{{- range .Values.tokenRequestAudience }}{{ with .audience }}{{ $audiences = append $audiences . }}{{ end }}{{ end -}}
{{- if $audiences }}{{ $_ := set $ours.sync "tokenRequestAudience" $audiences }}{{ end -}}
{{- $_ := set $ours.driver "install" false -}}
{{- $_ := set $ours.provider "install" false -}}
{{- $_ := set $ours.sync "enabled" true -}}
{{- toYaml $ours -}}
{{- end -}}

{{- define "upstream.sync.same" -}}
[controllerName, rotationPollInterval, providerContainer, metricsPort, podLabels, podAnnotations, nodeSelector, tolerations, affinity, resources]
{{- end -}}

{{/* Values that are set and have no counterpart in Keymount, as a YAML list. Takes the root. */}}
{{- define "upstream.ignored" -}}
{{- $ignored := list -}}
{{- range $key := list "image" "securityContext" -}}
  {{- if index $.Values $key }}{{ $ignored = append $ignored $key }}{{ end -}}
{{- end -}}
{{- with .Values.validatingAdmissionPolicies }}{{ if .deniedSecretTypes }}{{ $ignored = append $ignored "validatingAdmissionPolicies.deniedSecretTypes" }}{{ end }}{{ end -}}
{{- toYaml $ignored -}}
{{- end -}}
