{{/*
For the charts with the names of the upstream charts, which contain this one (`keymount charts`): they convert upstream's
values into ours, and every template here is then rendered with those. This chart by itself does not use this file.
*/}}

{{/*
Copies values of upstream into ours, key by key. Takes (list from to keys path); the path is that of `from` in upstream's
values, with a dot at its end.

As in Helm, maps are merged, and null drops a default: the key is then empty, or has our default where a program needs one.
A value of another type is converted if its meaning is clear; otherwise the error names it.
*/}}
{{- define "upstream.take" -}}
{{- $from := index . 0 -}}
{{- $to := index . 1 -}}
{{- $path := index . 3 -}}
{{- range $key := index . 2 -}}
  {{- if hasKey $from $key -}}
    {{- include "upstream.set" (dict "to" $to "key" $key "value" (get $from $key) "path" (printf "%s%s" $path $key)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A map of upstream's values, as YAML; empty for null and for a missing one. Takes (list values key path). */}}
{{- define "upstream.section" -}}
{{- $values := index . 0 -}}
{{- $key := index . 1 -}}
{{- $value := get $values $key -}}
{{- if and $value (not (kindIs "map" $value)) -}}
  {{- include "upstream.refuse" (list (printf "%s%s" (index . 2) $key) $value "a map") -}}
{{- end -}}
{{- toYaml ($value | default dict) -}}
{{- end -}}

{{- define "upstream.refuse" -}}
{{- fail (printf "%s: found %s, expected %s" (index . 0) (index . 1 | toJson) (index . 2)) -}}
{{- end -}}

{{- define "upstream.set" -}}
{{- $to := .to -}}
{{- $key := .key -}}
{{- $value := .value -}}
{{- $path := .path -}}
{{- $default := get $to $key -}}
{{- /* Maps whose keys our templates read one by one; others become part of an object as they are. */ -}}
{{- $named := list "image" "syncSecret" "livenessProbe" "rbac" "crds" "customTokenEndpoint" "customCloud" "leaderElection" -}}
{{- $isEmpty := or (kindIs "invalid" $value) (and (kindIs "string" $value) (eq $value "")) -}}
{{- if and $isEmpty (has $key $named) -}}
{{- else if $isEmpty -}}
  {{- if kindIs "map" $default }}{{ $_ := set $to $key dict }}
  {{- else if kindIs "slice" $default }}{{ $_ := set $to $key list }}
  {{- else if or (eq $key "priorityClassName") (and (eq $key "metricsAddr") (kindIs "string" $value)) }}{{ $_ := set $to $key "" }}
  {{- end -}}
{{- else if not (hasKey $to $key) -}}
  {{- $_ := set $to $key (deepCopy $value) -}}
{{- else if kindIs "map" $default -}}
  {{- if not (kindIs "map" $value) }}{{ include "upstream.refuse" (list $path $value "a map") }}{{ end -}}
  {{- if has $key $named -}}
    {{- include "upstream.take" (list $value $default (keys $value | sortAlpha) (printf "%s." $path)) -}}
  {{- else -}}
    {{- include "upstream.merge" (list $default $value) -}}
    {{- /* Maps of texts in Kubernetes. */ -}}
    {{- if or (hasSuffix "abels" $key) (hasSuffix "nnotations" $key) (eq $key "nodeSelector") -}}
      {{- range $name, $text := $default -}}
        {{- if or (kindIs "map" $text) (kindIs "slice" $text) }}{{ include "upstream.refuse" (list (printf "%s.%s" $path $name) $text "a text") }}{{ end -}}
        {{- $_ := set $default $name (toString $text) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- else if kindIs "slice" $default -}}
  {{- if not (kindIs "slice" $value) }}{{ include "upstream.refuse" (list $path $value "a list") }}{{ end -}}
  {{- $ofMaps := list "env" "extraEnv" "volumes" "volumeMounts" "tolerations" "imagePullSecrets" "tokenRequests" "topologySpreadConstraints" -}}
  {{- range $index, $item := has $key $ofMaps | ternary $value list -}}
    {{- if not (kindIs "map" $item) }}{{ include "upstream.refuse" (list (printf "%s[%d]" $path $index) $item "a map") }}{{ end -}}
  {{- end -}}
  {{- $_ := set $to $key (deepCopy $value) -}}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) -}}
  {{- include "upstream.refuse" (list $path $value (kindIs "bool" $default | ternary "true or false" (kindIs "string" $default | ternary "a text" "a number"))) -}}
{{- else if kindIs "bool" $default -}}
  {{- if not (has (toString $value) (list "true" "false")) }}{{ include "upstream.refuse" (list $path $value "true or false") }}{{ end -}}
  {{- $_ := set $to $key (eq (toString $value) "true") -}}
{{- else if kindIs "string" $default -}}
  {{- $text := toString $value -}}
  {{- if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ $text = printf "%d" (int64 $value) }}{{ end }}{{ end -}}
  {{- $duration := "^([0-9]+([.][0-9]+)?(ms|s|m|h))+$" -}}
  {{- if and (regexMatch $duration $default) (not (regexMatch $duration $text)) }}{{ include "upstream.refuse" (list $path $value "a duration such as 30s or 2m") }}{{ end -}}
  {{- $_ := set $to $key $text -}}
{{- else -}}
  {{- if not (regexMatch "^-?[0-9]+([.][0-9]+)?(e[+][0-9]+)?$" (toString $value)) }}{{ include "upstream.refuse" (list $path $value "a number") }}{{ end -}}
  {{- $_ := set $to $key (toString $value | float64 | int64) -}}
{{- end -}}
{{- end -}}

{{/* Merges a map into another as Helm merges values: null removes a key. Takes (list to from). */}}
{{- define "upstream.merge" -}}
{{- $to := index . 0 -}}
{{- range $key, $value := index . 1 -}}
  {{- if kindIs "invalid" $value }}{{ $_ := unset $to $key }}
  {{- else if and (kindIs "map" $value) (kindIs "map" (get $to $key)) }}{{ include "upstream.merge" (list (get $to $key) $value) }}
  {{- else }}{{ $_ := set $to $key (deepCopy $value) }}
  {{- end -}}
{{- end -}}
{{- end -}}
