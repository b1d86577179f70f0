{{/* The environment of the provider from `proxySettings`, as YAML; empty when nothing is set. Takes the root. */}}
{{- define "keymount.proxyEnv" -}}
{{- $settings := .Values.proxySettings -}}
{{- $env := dict -}}
{{- with $settings.httpProxy }}{{ $_ := set $env "HTTP_PROXY" . }}{{ end -}}
{{- with $settings.httpsProxy }}{{ $_ := set $env "HTTPS_PROXY" . }}{{ end -}}
{{- with $settings.noProxy }}{{ $_ := set $env "NO_PROXY" . }}{{ end -}}
{{- if $env }}{{ toYaml $env }}{{ end -}}
{{- end -}}

{{/* The ConfigMaps that `proxySettings` creates, or that you create by hand: environment, and certificates to trust. */}}
{{- define "keymount.environmentName" }}keymount-provider-env{{ end -}}
{{- define "keymount.trustName" }}keymount-trust{{ end -}}
