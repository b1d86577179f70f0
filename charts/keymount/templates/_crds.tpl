{{/*
CRDs are templates, not in Helm's crds/ folder, because Helm never upgrades the files of that folder. `keep` preserves them,
and so every object, when the release is uninstalled. Where they already exist and belong to another owner (another release,
the upstream program, a GitOps tool), they are not changed: both programs read the same fields.
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
