{{/*
Names and selectors as upstream's release has them: selectors cannot change, so with others `helm upgrade` would be refused.
These take the place of the definitions of the same name in charts/keymount.
*/}}

{{- define "keymount.daemonName" -}}
{{- index .root.Values.upstreamNames (eq .daemon "provider" | ternary "provider" "driver") -}}
{{- if eq .os "windows" }}-windows{{ end -}}
{{- end -}}

{{- define "keymount.selector" -}}
app: {{ eq .daemon "provider" | ternary .root.Values.upstreamNames.providerApp "secrets-store-csi-driver" }}
{{- end -}}

{{/* The names of a release, as YAML. Takes the root. */}}
{{- define "upstream.names" -}}
{{- $app := default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
provider: {{ contains $app .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $app) | trunc 63 | trimSuffix "-" }}
providerApp: {{ $app }}
driver: {{ (index .Values "secrets-store-csi-driver" | default dict).fullnameOverride | default (printf "%s-secrets-store-csi-driver" .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end -}}
