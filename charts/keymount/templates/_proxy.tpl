{{/* The environment that `proxySettings` gives the provider, as YAML; nothing where nothing is set. Takes the root. */}}
{{- define "keymount.proxyEnv" -}}
{{- $settings := .Values.proxySettings -}}
{{- $env := dict -}}
{{- with $settings.httpProxy }}{{ $_ := set $env "HTTP_PROXY" . }}{{ end -}}
{{- with $settings.httpsProxy }}{{ $_ := set $env "HTTPS_PROXY" . }}{{ end -}}
{{- with $settings.noProxy }}{{ $_ := set $env "NO_PROXY" . }}{{ end -}}
{{- if $env }}{{ toYaml $env }}{{ end -}}
{{- end -}}
