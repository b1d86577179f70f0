{{/*
Names and labels. By default they are upstream's and do not depend on the name of the release, because test suites, dashboards
and users rely on them, and because a cluster has one driver of this name. A second driver (another driver.name) gets its
names from its release.
*/}}

{{- define "keymount.isSecond" -}}
{{- if ne .Values.driver.name "secrets-store.csi.k8s.io" }}true{{ end -}}
{{- end -}}

{{/* Name of the driver's DaemonSet, and prefix of the other names. */}}
{{- define "keymount.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 37 | trimSuffix "-" -}}
{{- else if or .Values.nameOverride (include "keymount.isSecond" .) -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) | trunc 37 | trimSuffix "-" -}}
{{- else -}}
csi-secrets-store
{{- end -}}
{{- end -}}

{{/* `combined` has the driver's name, so that switching to it is a rollout. Takes {root, os, daemon}. */}}
{{- define "keymount.daemonName" -}}
{{- include "keymount.fullname" .root }}
{{- if eq .daemon "provider" }}-provider-azure{{ end }}
{{- if eq .os "windows" }}-windows{{ end -}}
{{- end -}}

{{/* An upstream name that does not contain the name of the release. Takes (list . "secretproviderclasses-role"). */}}
{{- define "keymount.upstreamName" -}}
{{- $root := first . -}}
{{- if include "keymount.isSecond" $root }}{{ include "keymount.fullname" $root }}-{{ end }}{{ last . }}
{{- end -}}

{{- define "keymount.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "keymount"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- merge $own (.Values.commonLabels | default dict) | toYaml -}}
{{- end -}}

{{/*
Labels of pods: those that select them, which nothing replaces, then the standard ones, then those of values.
Takes {root, selector, component, labels}.
*/}}
{{- define "keymount.podLabels" -}}
{{- $standard := dict
  "app.kubernetes.io/name" "keymount"
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/component" .component -}}
{{- merge .selector $standard (.labels | default dict) (.root.Values.commonLabels | default dict) | toYaml -}}
{{- end -}}

{{/* The labels that select a daemon's pods. They cannot change after an install. Takes {root, os, daemon}. */}}
{{- define "keymount.selector" -}}
app: {{ eq .daemon "provider" | ternary "secrets-store-provider-azure" "secrets-store-csi-driver" }}
{{- if include "keymount.isSecond" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}
{{- end -}}
