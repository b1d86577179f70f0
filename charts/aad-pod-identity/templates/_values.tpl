{{/* The values of charts/keymount that upstream's values mean, as YAML: they are one level down there. Takes the root. */}}
{{- define "upstream.values" -}}
{{- $ours := include "keymount.defaults" . | fromYaml -}}
{{- $to := $ours.podIdentity -}}
{{- $_ := include "upstream.take" (list .Values $to (list "operationMode" "adminsecret" "azureIdentities")) -}}
{{- $_ := include "upstream.take" (list .Values $ours (list "imagePullSecrets")) -}}
{{- /* Upstream has these as strings. */ -}}
{{- range $key := list "forceNamespaced" "installMICException" -}}
  {{- if hasKey $.Values $key }}{{ $_ := set $to $key (eq (toString (get $.Values $key)) "true") }}{{ end -}}
{{- end -}}
{{- range $component := list "mic" "nmi" -}}
  {{- $own := index $to $component -}}
  {{- with index $.Values $component -}}
    {{- $_ := include "upstream.take" (list . $own (keys $own | sortAlpha)) -}}
  {{- end -}}
  {{- /* What charts/keymount selects and spreads by. */ -}}
  {{- $_ := set $own "podLabels" (merge (dict "component" $component "k8s-app" "aad-pod-id") $own.podLabels) -}}
{{- end -}}
{{- with .Values.rbac -}}
  {{- $_ := include "upstream.take" (list . $to.rbac (list "allowAccessToSecrets" "createUserFacingClusterRoles")) -}}
  {{- if hasKey . "enabled" }}{{ $_ := set $ours.rbac "install" .enabled }}{{ end -}}
{{- end -}}
{{- $_ := set $ours.driver "install" false -}}
{{- $_ := set $ours.provider "install" false -}}
{{- $_ := set $to "enabled" true -}}
{{- $_ := set $ours "upstreamNames" (dict "app" (default .Chart.Name .Values.nameOverride | trunc 59 | trimSuffix "-")) -}}
{{- toYaml $ours -}}
{{- end -}}

{{/* Values that are set and have no counterpart in Keymount, as a YAML list. Takes the root. */}}
{{- define "upstream.ignored" -}}
{{- $ignored := list -}}
{{- range $key := list "image" "fullnameOverride" "customUserAgent" -}}
  {{- if index $.Values $key }}{{ $ignored = append $ignored $key }}{{ end -}}
{{- end -}}
{{- range $component, $gone := dict "mic" (list "image" "tag" "loggingFormat" "clientQps") "nmi" (list "image" "tag" "loggingFormat" "enableScaleFeatures" "enableConntrackDeletion") -}}
  {{- range $key := $gone -}}
    {{- if index (index $.Values $component | default dict) $key }}{{ $ignored = append $ignored (printf "%s.%s" $component $key) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $ignored -}}
{{- end -}}
