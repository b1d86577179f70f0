{{/*
CRDs are templates, not Helm's crds/ folder, because Helm never upgrades what is in there. `keep` leaves them, and every
object with them, when the release goes. Where they already exist and are not this release's (another release's, or made
by the upstream program or a GitOps tool), they stay as they are: both programs read the same fields.
Takes (list . "glob").
*/}}
{{- define "keymount.crds" -}}
{{- $root := first . -}}
{{- range $path, $_ := $root.Files.Glob (last .) }}
{{- $crd := $root.Files.Get $path | fromYaml }}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $crd.metadata.name }}
{{- if or (not $found) (include "keymount.isOurs" (list $root $found)) }}
{{- $_ := set $crd.metadata "annotations" (merge (dict "helm.sh/resource-policy" "keep") ($crd.metadata.annotations | default dict) ($root.Values.linux.crds.annotations | default dict)) }}
{{- with $root.Values.commonLabels }}{{ $_ := set $crd.metadata "labels" . }}{{ end }}
---
{{ toYaml $crd }}
{{- end }}
{{- end }}
{{- end -}}
