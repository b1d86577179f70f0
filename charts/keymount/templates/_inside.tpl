{{/*
For the charts that carry this one inside, under the names of the upstream charts (`keymount charts`): they turn upstream's
values into ours, and every template here is then rendered with those. Nothing of this is used by the chart by itself.
*/}}

{{/* Sets in a map what another one has under these keys; maps are merged, as Helm merges values. Takes (list from to keys). */}}
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
