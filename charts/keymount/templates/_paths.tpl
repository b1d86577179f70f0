{{/* Joins a path with the separator of an OS. Takes (list os part…). */}}
{{- define "keymount.path" -}}
{{- join (eq (first .) "windows" | ternary "\\" "/") (rest .) -}}
{{- end -}}

{{/* A directory at the top of a container. Takes (list os name). */}}
{{- define "keymount.containerPath" -}}
{{- eq (first .) "windows" | ternary "C:\\" "/" }}{{ last . -}}
{{- end -}}

{{/* Where the CA of `proxySettings.proxyCert` is in a container. Takes the OS. */}}
{{- define "keymount.trustDirectory" -}}
{{- eq . "windows" | ternary "C:\\keymount\\trust" "/etc/keymount/trust" -}}
{{- end -}}

{{/* Where the environment files of `cloudFiles` are in a container. Takes the OS. */}}
{{- define "keymount.cloudDirectory" -}}
{{- eq . "windows" | ternary "C:\\keymount\\clouds" "/etc/keymount/clouds" -}}
{{- end -}}

{{/* Environment of every process of the image. */}}
{{- define "keymount.processEnv" -}}
{{- if eq .os "linux" -}}
# One malloc arena instead of one per thread saves about 2 MiB.
- name: MALLOC_ARENA_MAX
  value: "1"
{{- end -}}
{{- end -}}
