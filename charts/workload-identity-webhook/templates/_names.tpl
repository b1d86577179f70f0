{{/*
Name and selector as upstream's release has them: a selector cannot change, so with another `helm upgrade` would be refused.
These take the place of the definitions of the same name in charts/keymount.
*/}}

{{- define "keymount.controller.name" }}azure-wi-webhook-controller-manager{{ end -}}

{{- define "keymount.controller.selector" -}}
app: {{ .Values.upstreamNames.app }}
azure-workload-identity.io/system: "true"
chart: {{ .Values.upstreamNames.app }}
release: {{ .Release.Name }}
{{- end -}}
