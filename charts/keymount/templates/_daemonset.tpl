{{/*
The DaemonSets of one daemon: one per OS. This file has what all daemons share; flags, ports, mounts and rights of a daemon
come from the definitions keymount.DAEMON.* in its own file. Takes {root, daemon}.
*/}}
{{- define "keymount.daemonsets" -}}
{{- if has .daemon (include "keymount.daemons" .root | splitList " ") -}}
{{- range $os := list "linux" "windows" -}}
{{- if (index $.root.Values $os).enabled }}
---
{{ include "keymount.daemonset" (dict "root" $.root "os" $os "daemon" $.daemon) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes {root, os, daemon}, as all definitions of a daemon do. */}}
{{- define "keymount.daemonset" -}}
{{- $values := .root.Values -}}
{{- $settings := include "keymount.settings" . | fromYaml -}}
{{- $own := printf "keymount.%s" .daemon -}}
{{- $container := include (printf "%s.container" $own) . -}}
{{- $annotations := merge (dict "kubectl.kubernetes.io/default-container" $container) $settings.podAnnotations -}}
{{- if and (ne .daemon "driver") (or (include "keymount.proxyEnv" .root) $values.proxySettings.proxyCert) -}}
{{- $_ := set $annotations "keymount.dev/proxy-settings" (toYaml $values.proxySettings | sha256sum | trunc 16) -}}
{{- end -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ include "keymount.daemonName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- merge (include "keymount.selector" . | fromYaml) (dict "app.kubernetes.io/component" .daemon) (include "keymount.labels" .root | fromYaml) | toYaml | nindent 4 }}
  {{- with $settings.daemonsetAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "keymount.selector" . | nindent 6 }}
  updateStrategy:
    {{- toYaml $settings.updateStrategy | nindent 4 }}
  minReadySeconds: {{ $settings.minReadySeconds | default 0 }}
  template:
    metadata:
      labels:
        {{- include "keymount.podLabels" (dict "root" .root "selector" (include "keymount.selector" . | fromYaml) "component" .daemon "labels" $settings.podLabels) | nindent 8 }}
      annotations:
        {{- toYaml $annotations | nindent 8 }}
    spec:
      serviceAccountName: {{ include (printf "%s.account" $own) .root }}
      {{- if not $values.automountServiceAccountToken }}
      automountServiceAccountToken: false
      {{- end }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with include (printf "%s.pod" $own) . }}
      {{- . | nindent 6 }}
      {{- end }}
      nodeSelector:
        {{- merge (dict "kubernetes.io/os" .os) $settings.nodeSelector | toYaml | nindent 8 }}
      {{- with $settings.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $container }}
          image: {{ include "keymount.image" . }}
          imagePullPolicy: {{ (index $values .os).image.pullPolicy }}
          args:
            {{- include (printf "%s.args" $own) . | nindent 12 }}
            {{- range $settings.extraArgs }}
            - {{ . | quote }}
            {{- end }}
          {{- with concat (include (printf "%s.env" $own) . | fromYamlArray) $settings.env }}
          env:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with include (printf "%s.envFrom" $own) . }}
          envFrom:
            {{- . | nindent 12 }}
          {{- end }}
          ports:
            {{- include (printf "%s.ports" $own) . | nindent 12 }}
          livenessProbe:
            {{- include (printf "%s.livenessProbe" $own) . | nindent 12 }}
          readinessProbe:
            {{- include (printf "%s.readinessProbe" $own) . | nindent 12 }}
          securityContext:
            {{- include (printf "%s.securityContext" $own) . | nindent 12 }}
          {{- with $settings.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- $mounts := include (printf "%s.volumeMounts" $own) . | trim }}
          {{- if or $mounts $settings.volumeMounts }}
          volumeMounts:
            {{- with $mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $settings.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
      {{- $volumes := include (printf "%s.volumes" $own) . | trim }}
      {{- if or $volumes $settings.volumes }}
      volumes:
        {{- with $volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $settings.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
{{- end -}}
