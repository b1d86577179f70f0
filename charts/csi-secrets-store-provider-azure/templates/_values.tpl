{{/*
The values of charts/keymount that upstream's values mean, as YAML. On both sides most names are the same; what differs is
whose they are: upstream's `linux` is the provider, and the driver is a chart of its own. Takes the root.
*/}}
{{- define "upstream.values" -}}
{{- $ours := include "keymount.defaults" . | fromYaml -}}
{{- $below := "secrets-store-csi-driver." -}}
{{- $driver := include "upstream.section" (list .Values "secrets-store-csi-driver" "") | fromYaml -}}
{{- $_ := include "upstream.take" (list .Values $ours (include "upstream.provider.same" . | fromYamlArray) "") -}}
{{- $_ := include "upstream.take" (list $driver $ours (include "upstream.driver.same" . | fromYamlArray) $below) -}}
{{- $_ := include "upstream.take" (list $driver $ours.driver (list "install") $below) -}}
{{- range $os := list "linux" "windows" -}}
  {{- $to := index $ours $os -}}
  {{- /* Upstream's charts have a pod's values per daemon: so have we then, and either can drop a default. */ -}}
  {{- range $key := concat (include "upstream.provider.pods" $ | fromYamlArray) (include "upstream.driver.pods" $ | fromYamlArray) | uniq -}}
    {{- if hasKey $to $key -}}
      {{- range $daemon := list "driver" "provider" }}{{ $_ := set (index $to $daemon) $key (deepCopy (get $to $key)) }}{{ end -}}
      {{- $_ := unset $to $key -}}
    {{- end -}}
  {{- end -}}
  {{- $path := printf "%s." $os -}}
  {{- $provider := include "upstream.section" (list $.Values $os "") | fromYaml -}}
  {{- $_ := include "upstream.take" (list $provider $to (include "upstream.provider.os" $ | fromYamlArray) $path) -}}
  {{- $_ := include "upstream.take" (list $provider $to.provider (include "upstream.provider.pods" $ | fromYamlArray) $path) -}}
  {{- $path = printf "%s%s." $below $os -}}
  {{- $own := include "upstream.section" (list $driver $os $below) | fromYaml -}}
  {{- $_ := include "upstream.take" (list $own $to (include "upstream.driver.os" $ | fromYamlArray) $path) -}}
  {{- $_ := include "upstream.take" (list $own $to.driver (include "upstream.driver.pods" $ | fromYamlArray) $path) -}}
  {{- $_ := include "upstream.take" (list (include "upstream.section" (list $own "driver" $path) | fromYaml) $to.driver (list "resources") (printf "%sdriver." $path)) -}}
  {{- if hasKey $to "crds" -}}
    {{- $_ := include "upstream.take" (list (include "upstream.section" (list $own "crds" $path) | fromYaml) $to.crds (list "enabled" "annotations") (printf "%scrds." $path)) -}}
  {{- end -}}
{{- end -}}
{{- $azure := include "upstream.section" (list .Values "Azure" "") | fromYaml -}}
{{- $proxy := include "upstream.section" (list $azure "proxySettings" "Azure.") | fromYaml -}}
{{- if $proxy.isProxyEnabled -}}
  {{- $_ := include "upstream.take" (list $proxy $ours.proxySettings (list "httpProxy" "httpsProxy" "noProxy" "proxyCert") "Azure.proxySettings.") -}}
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
{{- $driver := index .Values "secrets-store-csi-driver" | default dict -}}
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
