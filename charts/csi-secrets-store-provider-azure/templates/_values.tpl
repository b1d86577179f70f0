{{/*
The values of charts/keymount that upstream's values mean, as YAML. On both sides most names are the same; what differs is
whose they are: upstream's `linux` is the provider, and the driver is a chart of its own. Takes the root.
*/}}
{{- define "upstream.values" -}}
{{- $ours := include "keymount.defaults" . | fromYaml -}}
{{- $driver := index .Values "secrets-store-csi-driver" -}}
{{- $_ := include "upstream.take" (list .Values $ours (include "upstream.provider.same" . | fromYamlArray)) -}}
{{- $_ := include "upstream.take" (list $driver $ours (include "upstream.driver.same" . | fromYamlArray)) -}}
{{- $_ := set $ours.driver "install" $driver.install -}}
{{- range $os := list "linux" "windows" -}}
  {{- $to := index $ours $os -}}
  {{- with index $.Values $os -}}
    {{- $_ := include "upstream.take" (list . $to (include "upstream.provider.os" . | fromYamlArray)) -}}
    {{- $_ := include "upstream.take" (list . $to.provider (include "upstream.provider.pods" . | fromYamlArray)) -}}
  {{- end -}}
  {{- with index $driver $os -}}
    {{- $_ := include "upstream.take" (list . $to (include "upstream.driver.os" . | fromYamlArray)) -}}
    {{- $_ := include "upstream.take" (list . $to.driver (include "upstream.driver.pods" . | fromYamlArray)) -}}
    {{- $_ := include "upstream.take" (list (.driver | default dict) $to.driver (list "resources")) -}}
    {{- $_ := include "upstream.take" (list (.crds | default dict) ($to.crds | default dict) (list "enabled" "annotations")) -}}
  {{- end -}}
{{- end -}}
{{- with (.Values.Azure | default dict).proxySettings -}}
  {{- if .isProxyEnabled -}}
    {{- $_ := include "upstream.take" (list . $ours.proxySettings (list "httpProxy" "httpsProxy" "noProxy" "proxyCert")) -}}
  {{- end -}}
{{- end -}}
{{- $_ := set $ours "upstreamNames" (include "upstream.names" . | fromYaml) -}}
{{- toYaml $ours -}}
{{- end -}}

{{- define "upstream.provider.same" -}}
[imagePullSecrets, logVerbosity, constructPEMChain, writeCertAndKeyInSeparateFiles, metricsAddr, rbac]
{{- end -}}

{{- define "upstream.provider.os" -}}
[enabled, image, healthzPort, healthzPath, healthzTimeout, dnsPolicy, privileged, customUserAgent, kubeletRootDir, providersDir]
{{- end -}}

{{- define "upstream.provider.pods" -}}
[resources, podLabels, podAnnotations, nodeSelector, tolerations, affinity, priorityClassName, updateStrategy, volumes, volumeMounts]
{{- end -}}

{{- define "upstream.driver.same" -}}
[enableSecretRotation, rotationPollInterval, syncSecret, tokenRequests, maxCallRecvMsgSize, providerHealthCheck, providerHealthCheckInterval, livenessProbe, commonLabels, automountServiceAccountToken]
{{- end -}}

{{- define "upstream.driver.os" -}}
[metricsAddr, kubeletRootDir, providersDir, additionalProvidersDirs]
{{- end -}}

{{- define "upstream.driver.pods" -}}
[env, volumes, volumeMounts, podLabels, podAnnotations, daemonsetAnnotations, nodeSelector, tolerations, affinity, priorityClassName, updateStrategy]
{{- end -}}

{{/* Values that are set and have no counterpart in Keymount, as a YAML list. Takes the root. */}}
{{- define "upstream.ignored" -}}
{{- $ignored := list -}}
{{- range $key := list "logFormatJSON" "enableArcExtension" "arc" -}}
  {{- if index $.Values $key }}{{ $ignored = append $ignored $key }}{{ end -}}
{{- end -}}
{{- $driver := index .Values "secrets-store-csi-driver" -}}
{{- range $key := list "logFormatJSON" "filteredWatchSecret" "nameOverride" -}}
  {{- if index $driver $key }}{{ $ignored = append $ignored (printf "secrets-store-csi-driver.%s" $key) }}{{ end -}}
{{- end -}}
{{- range $os := list "linux" "windows" -}}
  {{- range $key := list "image" "registrarImage" "registrar" "livenessProbeImage" "livenessProbe" -}}
    {{- if index (index $driver $os | default dict) $key }}{{ $ignored = append $ignored (printf "secrets-store-csi-driver.%s.%s" $os $key) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $ignored -}}
{{- end -}}
