{{/*
A NetworkPolicy. Takes {root, name, selector (YAML), to: what it connects to}, and for incoming connections
{health, metrics, open}: names of ports for probes, for those who may read metrics, and for everyone.
*/}}
{{- define "keymount.networkPolicy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- .selector | nindent 6 }}
  {{- if .health }}
  policyTypes: [Ingress, Egress]
  ingress:
    # Probes come from the node, whose addresses the chart does not know.
    - ports:
        {{- range concat .health (.open | default list) }}
        - port: {{ . }}
        {{- end }}
    - ports:
        {{- range .metrics }}
        - port: {{ . }}
        {{- end }}
      {{- with .root.Values.networkPolicy.metricsFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- else }}
  policyTypes: [Egress]
  {{- end }}
  egress:
    {{- range .to }}
    {{- include (printf "keymount.networkPolicy.%s" .) $.root | nindent 4 }}
    {{- end }}
    {{- with .root.Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Rules of `egress`. A rule without addresses allows the ports at every address. All take the root. */}}

{{- define "keymount.networkPolicy.apiServer" -}}
{{ include "keymount.networkPolicy.rule" .Values.networkPolicy.apiServer }}
{{- end -}}

{{/* Names of Entra, vaults, queues and Resource Manager are resolved; their addresses change. With a proxy, it is what is connected to. */}}
{{- define "keymount.networkPolicy.azure" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
    {{- end }}
{{ include "keymount.networkPolicy.rule" .Values.networkPolicy.azure }}
{{- $ports := list }}
{{- range list .Values.proxySettings.httpProxy .Values.proxySettings.httpsProxy }}
{{- if . }}
{{- $url := urlParse . }}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default "80") }}
{{- end }}
{{- end }}
{{- with uniq $ports }}
- ports:
    {{- range . }}
    - port: {{ . }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* The identity of the node, which the controller of pod identity may sign in as. */}}
{{- define "keymount.networkPolicy.nodeIdentity" -}}
- ports:
    - port: 80
  to:
    - ipBlock:
        cidr: 169.254.169.254/32
{{- end -}}

{{/* Takes {ports, cidrs}. */}}
{{- define "keymount.networkPolicy.rule" -}}
- ports:
    {{- range .ports }}
    - port: {{ . }}
    {{- end }}
  {{- with .cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- end -}}
