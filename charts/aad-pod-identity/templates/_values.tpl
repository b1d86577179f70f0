{{/* The values of charts/keymount that upstream's values mean, as YAML: they are one level down there. Takes the root. */}}
{{- define "upstream.values" -}}
{{- $ours := include "keymount.defaults" . | fromYaml -}}
{{- $to := $ours.podIdentity -}}
{{- $_ := include "upstream.take" (list .Values $to (list "operationMode" "adminsecret" "azureIdentities" "forceNamespaced" "installMICException") "") -}}
{{- $_ := include "upstream.take" (list .Values $ours (list "imagePullSecrets") "") -}}
{{- range $name, $identity := $to.azureIdentities -}}
  {{- if not (kindIs "map" $identity) }}{{ include "upstream.refuse" (list (printf "azureIdentities.%s" $name) $identity "a map") }}{{ end -}}
  {{- if not (kindIs "map" $identity.binding) }}{{ include "upstream.refuse" (list (printf "azureIdentities.%s.binding" $name) $identity.binding "a map with name and selector") }}{{ end -}}
{{- end -}}
{{- range $component := list "mic" "nmi" -}}
  {{- $own := index $to $component -}}
  {{- $theirs := include "upstream.section" (list $.Values $component "") | fromYaml -}}
  {{- $_ := include "upstream.take" (list $theirs $own (keys $own | sortAlpha) (printf "%s." $component)) -}}
  {{- /* What charts/keymount selects and spreads by. */ -}}
  {{- $_ := set $own "podLabels" (merge (dict "component" $component "k8s-app" "aad-pod-id") $own.podLabels) -}}
{{- end -}}
{{- $rbac := include "upstream.section" (list .Values "rbac" "") | fromYaml -}}
{{- $_ := include "upstream.take" (list $rbac $to.rbac (list "allowAccessToSecrets" "createUserFacingClusterRoles") "rbac.") -}}
{{- if hasKey $rbac "enabled" }}{{ $_ := include "upstream.set" (dict "to" $ours.rbac "key" "install" "value" $rbac.enabled "path" "rbac.enabled") }}{{ end -}}
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
