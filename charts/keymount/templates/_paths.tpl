{{/* Joins a path with the separator of an OS. Takes (list os part…). */}}
{{- define "keymount.path" -}}
{{- join (eq (first .) "windows" | ternary "\\" "/") (rest .) -}}
{{- end -}}

{{/*
A directory of the node as a process sees it: where it is mounted on Linux, and where it is on Windows, whose containers are processes of
the node (HostProcess). Takes (list os mountPath hostPath).
*/}}
{{- define "keymount.directory" -}}
{{- eq (first .) "windows" | ternary (last .) (index . 1) -}}
{{- end -}}

{{/* Where kubelet and the driver meet. Take {root, os, daemon}. */}}
{{- define "keymount.pluginDirectory" -}}
{{- include "keymount.path" (list .os (index .root.Values .os).kubeletRootDir "plugins" (include "keymount.driver.plugin" .root)) -}}
{{- end -}}

{{- define "keymount.registryDirectory" -}}
{{- include "keymount.path" (list .os (index .root.Values .os).kubeletRootDir "plugins_registry") -}}
{{- end -}}

{{/* A HostProcess container is a process of the node with all rights, on the node's network. */}}
{{- define "keymount.hostProcess" -}}
windowsOptions:
  hostProcess: true
  runAsUserName: NT AUTHORITY\SYSTEM
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
