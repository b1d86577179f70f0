{{/*
Driver and provider in one process (`combined`): the driver's pod with the provider's network, flags and trust. They
still talk through the socket. All take {root, os, daemon}.
*/}}

{{- define "keymount.node.container" }}{{ include "keymount.driver.container" . }}{{ end -}}

{{- define "keymount.node.account" }}{{ include "keymount.driver.account" . }}{{ end -}}

{{- define "keymount.node.pod" }}{{ include "keymount.provider.pod" . }}{{ end -}}

{{- define "keymount.node.args" -}}
{{ include "keymount.driver.args" . | replace "- driver\n" "- node\n" }}
- --provider-endpoint=unix://{{ include "keymount.path" (list .os (index .root.Values .os).providersDir "azure.sock") }}
{{ include "keymount.provider.flags" . }}
{{- end -}}

{{- define "keymount.node.env" -}}
{{ include "keymount.driver.env" . }}
{{ include "keymount.provider.trustEnv" . }}
{{- end -}}

{{- define "keymount.node.envFrom" }}{{ include "keymount.provider.envFrom" . }}{{ end -}}

{{- define "keymount.node.ports" -}}
{{ include "keymount.driver.ports" . }}
{{ include "keymount.provider.ports" . }}
{{- end -}}

{{- define "keymount.node.livenessProbe" }}{{ include "keymount.driver.livenessProbe" . }}{{ end -}}

{{- define "keymount.node.readinessProbe" }}{{ include "keymount.driver.readinessProbe" . }}{{ end -}}

{{- define "keymount.node.securityContext" }}{{ include "keymount.driver.securityContext" . }}{{ end -}}

{{- define "keymount.node.volumeMounts" -}}
{{ include "keymount.driver.volumeMounts" . }}
{{ include "keymount.provider.trustMount" . }}
{{ include "keymount.provider.cloudMount" . }}
{{- end -}}

{{- define "keymount.node.volumes" -}}
{{ include "keymount.driver.volumes" . }}
{{ include "keymount.provider.trustVolume" . }}
{{ include "keymount.provider.cloudVolume" . }}
{{- end -}}
