{{/* Of this release's own, because the provider's release in the same namespace has the others. */}}
{{- define "keymount.environmentName" }}aad-pod-identity-env{{ end -}}
{{- define "keymount.trustName" }}aad-pod-identity-trust{{ end -}}

{{/*
Selectors as upstream's release has them: they cannot change, so with others `helm upgrade` would be refused. These take the
place of the definitions of the same name in charts/keymount. Both take {root, component}.
*/}}

{{- define "keymount.podIdentity.selector" -}}
app.kubernetes.io/name: {{ .root.Values.upstreamNames.app }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "keymount.podIdentity.labels" -}}
{{- merge (include "keymount.podIdentity.selector" . | fromYaml) (include "keymount.labels" .root | fromYaml) | toYaml -}}
{{- end -}}
