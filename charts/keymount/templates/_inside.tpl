{{/*
For the charts with the names of the upstream charts, which contain this one (`keymount charts`): they convert upstream's
values into ours, and every template here is then rendered with those. This chart by itself does not use this file.
*/}}

{{/* Copies these keys from one map to another; maps are merged, as Helm merges values. Takes (list from to keys). */}}
{{- define "upstream.take" -}}
{{- $from := index . 0 -}}
{{- $to := index . 1 -}}
{{- range $key := index . 2 -}}
  {{- if hasKey $from $key -}}
    {{- $value := deepCopy (get $from $key) -}}
    {{- if and (kindIs "map" $value) (kindIs "map" (get $to $key)) -}}
      {{- $value = mergeOverwrite (deepCopy (get $to $key)) $value -}}
    {{- end -}}
    {{- $_ := set $to $key $value -}}
  {{- end -}}
{{- end -}}
{{- end -}}
