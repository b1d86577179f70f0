{{/* What Prometheus and Grafana read. All take the root. */}}

{{- define "keymount.metrics.labels" -}}
{{- merge (dict "app.kubernetes.io/component" "metrics") (include "keymount.labels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Whether a part of the product is installed: an alert that needs a part is installed with it. Takes (list . part). */}}
{{- define "keymount.metrics.hasPart" -}}
{{- $root := first . -}}
{{- $parts := dict "events" $root.Values.events.enabled "restart" $root.Values.restart.enabled "sync" $root.Values.sync.enabled "webhook" $root.Values.webhook.enabled -}}
{{- if index $parts (last .) }}true{{ end -}}
{{- end -}}
