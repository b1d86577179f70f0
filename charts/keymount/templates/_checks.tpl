{{/* Whether a live object belongs to this release. Takes (list . object). */}}
{{- define "keymount.isOurs" -}}
{{- $root := first . -}}
{{- $annotations := (last .).metadata.annotations | default dict -}}
{{- $name := get $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if and (eq $name $root.Release.Name) (eq $namespace $root.Release.Namespace) }}true{{ end -}}
{{- end -}}

{{/* What a schema cannot express: values that contradict each other, and clusters that already have a driver of this name. */}}
{{- define "keymount.check" -}}
{{- if not (or .Values.driver.install .Values.provider.install .Values.webhook.enabled .Values.sync.enabled .Values.restart.enabled .Values.events.enabled .Values.statusInterval.enabled .Values.podIdentity.enabled) -}}
{{- fail "driver.install and provider.install are both false, and so are webhook.enabled, sync.enabled, restart.enabled, events.enabled, statusInterval.enabled and podIdentity.enabled: nothing is left to install" -}}
{{- end -}}
{{- if and .Values.events.enabled (not (or .Values.events.queue .Values.events.namespaceTopic .Values.events.watchVaults)) -}}
{{- fail "events.enabled needs events.queue, events.namespaceTopic or events.watchVaults: where events come from (keymount events setup)" -}}
{{- end -}}
{{- with .Values.events -}}
{{- if and .queue .namespaceTopic -}}
{{- fail "events.queue and events.namespaceTopic are both set: events come by one of them" -}}
{{- end -}}
{{- if and .enabled .vaults (not (or .queue .namespaceTopic)) -}}
{{- fail "events.vaults needs events.queue or events.namespaceTopic: where the events of these vaults come to" -}}
{{- end -}}
{{- if and .enabled .cloud }}{{ include "keymount.checkCloud" (list "events.cloud" .cloud) }}{{ end -}}
{{- if .enabled -}}
{{- range $index, $watched := .watchVaults -}}
{{- if lt (include "keymount.milliseconds" .interval | float64) 5000.0 -}}
{{- fail (printf "events.watchVaults[%d].interval: found %q, expected 5s or more, such as 15s" $index .interval) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .quietPollInterval (not (and .enabled (or .vaults .watchVaults))) -}}
{{- fail "events.quietPollInterval needs events.enabled, and events.vaults or events.watchVaults: the vaults of which the operator hears of every change" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.combined (not (and .Values.driver.install .Values.provider.install)) -}}
{{- fail "combined runs driver and provider in one process: it needs driver.install and provider.install" -}}
{{- end -}}
{{- if not (or .Values.linux.enabled .Values.windows.enabled) -}}
{{- fail "linux.enabled and windows.enabled are both false: no node is left to install on" -}}
{{- end -}}
{{- range $os := list "linux" "windows" -}}
{{- $repository := (index $.Values $os).image.repository -}}
{{- if or (contains "csi-secrets-store/driver" $repository) (contains "secrets-store/driver" $repository) (contains "secrets-store/provider-azure" $repository) -}}
{{- fail (printf "%s.image.repository is %s: that image is not Keymount's. Remove the image values from a values file of the upstream charts (docs/migrate.md)" $os $repository) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.windows.enabled (eq .Values.windows.image.repository "ghcr.io/keymount/keymount") -}}
{{- fail "windows.enabled: no image of Keymount for Windows nodes is published. Set windows.image.repository to an image that you built with `npm run image -- --platform windows/amd64` (docs/windows.md)" -}}
{{- end -}}
{{- with .Values.webhook -}}
{{- if and .enabled .azureTenantID (not (regexMatch "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?[.])+[A-Za-z]{2,}|[$][A-Z_]+)$" .azureTenantID)) -}}
{{- fail (printf "webhook.azureTenantID: found %q, expected the id of a tenant, such as 72f988bf-86f1-41af-91ab-2d7cd011db47, or one of its domains, such as contoso.onmicrosoft.com" .azureTenantID) -}}
{{- end -}}
{{- end -}}
{{- with .Values.webhook -}}
{{- if .enabled }}{{ include "keymount.checkCloud" (list "webhook.azureEnvironment" .azureEnvironment "AzureStackCloud") }}{{ end -}}
{{- if and .classChecks.refuse (not (and .enabled .classChecks.enabled)) -}}
{{- fail "webhook.classChecks.refuse needs webhook.enabled and webhook.classChecks.enabled: without them no class is checked" -}}
{{- end -}}
{{- end -}}
{{- with .Values.webhook -}}
{{- if and .envFiles.enabled (not .enabled) -}}
{{- fail "webhook.envFiles.enabled needs webhook.enabled, and webhook.azureTenantID: without the webhook, the annotation keymount.dev/env has no effect" -}}
{{- end -}}
{{- end -}}
{{- range list "dryRun" "guess" "reloaderAnnotations" -}}
{{- if and (index $.Values.restart .) (not $.Values.restart.enabled) -}}
{{- fail (printf "restart.%s needs restart.enabled: nothing restarts workloads" .) -}}
{{- end -}}
{{- end -}}
{{- include "keymount.checkFlags" . -}}
{{- include "keymount.checkPorts" . -}}
{{- range list "kubernetes.io/service-account-token" "bootstrap.kubernetes.io/token" -}}
{{- if has . $.Values.sync.allowedSecretTypes -}}
{{- fail (printf "sync.allowedSecretTypes has %s: the API server takes Secrets of this type for credentials of the cluster" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.sync.enabled .Values.sync.namespaces (include "keymount.sync.selectorText" .Values.sync.namespaceSelector) -}}
{{- fail "sync.namespaces and sync.namespaceSelector are both set: the controller has Roles in the first, and may not look at the labels of namespaces" -}}
{{- end -}}
{{- with .Values.webhook.networkPolicy -}}
{{- if and $.Values.webhook.enabled .enabled (not .apiServerCIDRs) -}}
{{- fail "webhook.networkPolicy.apiServerCIDRs is empty: the API server could not reach the webhook, and labelled pods would be refused" -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.podIdentity.operationMode "managed") .Values.podIdentity.nmi.allowCrossNamespaceSecrets -}}
{{- fail "podIdentity.nmi.allowCrossNamespaceSecrets is not available in managed mode" -}}
{{- end -}}
{{- $driver := lookup "storage.k8s.io/v1" "CSIDriver" "" .Values.driver.name -}}
{{- if and .Values.driver.install $driver (not (include "keymount.isOurs" (list . $driver))) -}}
{{- $annotations := $driver.metadata.annotations | default dict -}}
{{- $owner := get $annotations "meta.helm.sh/release-name" -}}
{{- if $owner }}{{ $owner = printf "by the Helm release %s in namespace %s" $owner (get $annotations "meta.helm.sh/release-namespace") }}{{ else }}{{ $owner = "without Helm" }}{{ end -}}
{{- fail (printf "The driver %s is already installed in this cluster, %s. Remove that installation first (docs/migrate.md: pods keep their files), or install Keymount in addition, with another driver.name" .Values.driver.name $owner) -}}
{{- end -}}
{{- $first := lookup "storage.k8s.io/v1" "CSIDriver" "" "secrets-store.csi.k8s.io" -}}
{{- if and (include "keymount.isSecond" .) $first .Values.provider.install (eq .Values.linux.providersDir "/var/run/secrets-store-csi-providers") -}}
{{- fail (printf "This cluster has the driver secrets-store.csi.k8s.io, whose Azure provider has its socket in %s. Use that provider with provider.install=false, or set another directory and other ports for this one: linux.providersDir, linux.healthzPort, metricsAddr" .Values.linux.providersDir) -}}
{{- end -}}
{{- end -}}

{{/*
Flags that the program does not have, or with a value that it refuses, so that no pod ends for that: in `extraArgs`, and made of values.
files/generated/flags.json has the flags of this version, so that `extraArgs` are not checked where the image is of another one. Takes the root.
*/}}
{{- define "keymount.checkFlags" -}}
{{- $values := .Values -}}
{{- $words := list -}}
{{- range $os := list "linux" "windows" -}}
  {{- range $daemon := include "keymount.daemons" $ | splitList " " | compact -}}
    {{- if (index $values $os).enabled -}}
      {{- $takes := dict "root" $ "os" $os "daemon" $daemon -}}
      {{- $settings := include "keymount.settings" $takes | fromYaml -}}
      {{- $words = append $words (list (printf "%s.%s.extraArgs" $os $daemon) $daemon $settings.extraArgs) -}}
      {{- $words = append $words (list $os $daemon (include (printf "keymount.%s.args" $daemon) $takes | fromYamlArray | rest)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $values.webhook.enabled -}}
  {{- $words = append $words (list "webhook.extraArgs" "controller" $values.webhook.extraArgs) -}}
  {{- $words = append $words (list "webhook.proxy.extraArgs" "proxy" $values.webhook.proxy.extraArgs) -}}
  {{- $words = append $words (list "" "controller" (include "keymount.controller.args" . | fromYamlArray | rest)) -}}
{{- end -}}
{{- if $values.sync.enabled -}}
  {{- $words = append $words (list "sync.extraArgs" "sync" $values.sync.extraArgs) -}}
  {{- $words = append $words (list "" "sync" (include "keymount.sync.args" . | fromYamlArray | rest)) -}}
{{- end -}}
{{- if include "keymount.operator.enabled" . -}}
  {{- $words = append $words (list "operator.extraArgs" "operator" $values.operator.extraArgs) -}}
  {{- $words = append $words (list "" "operator" (include "keymount.operator.args" . | fromYamlArray | rest)) -}}
{{- end -}}
{{- if $values.podIdentity.enabled -}}
  {{- $words = append $words (list "podIdentity.nmi.extraArgs" "nmi" $values.podIdentity.nmi.extraArgs) -}}
  {{- $words = append $words (list "" "nmi" (include "keymount.podIdentity.nmiArgs" . | fromYamlArray | rest)) -}}
  {{- if include "keymount.podIdentity.hasMic" . -}}
    {{- $words = append $words (list "podIdentity.mic.extraArgs" "mic" $values.podIdentity.mic.extraArgs) -}}
    {{- $words = append $words (list "" "mic" (include "keymount.podIdentity.micArgs" . | fromYamlArray | rest)) -}}
  {{- end -}}
{{- end -}}
{{- $programs := .Files.Get "files/generated/flags.json" | fromJson -}}
{{- $isOther := or $values.linux.image.tag $values.linux.image.digest -}}
{{- range $words -}}
  {{- $program := index . 1 -}}
  {{- $isExtra := hasSuffix "extraArgs" (index . 0) -}}
  {{- $takes := dict "path" (index . 0) "isExtra" $isExtra "program" $program "flags" (get $programs $program) -}}
  {{- if not (and $isExtra $isOther) -}}
    {{- range index . 2 }}{{ include "keymount.checkFlag" (merge (dict "word" (toString .)) $takes) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Two servers of one pod, or of two pods on the node's network, cannot have one port: the second one would not start. Takes the root. */}}
{{- define "keymount.checkPorts" -}}
{{- $values := .Values -}}
{{- range $os := list "linux" "windows" -}}
  {{- $node := index $values $os -}}
  {{- if $node.enabled -}}
    {{- $driver := ternary (dict "livenessProbe.port" $values.livenessProbe.port (printf "%s.metricsAddr" $os) $node.metricsAddr) dict $values.driver.install -}}
    {{- $provider := ternary (dict (printf "%s.healthzPort" $os) $node.healthzPort "metricsAddr" $values.metricsAddr) dict $values.provider.install -}}
    {{- $isShared := or $values.combined (eq $os "windows") -}}
    {{- if $isShared }}{{ $driver = merge $driver $provider }}{{ end -}}
    {{- include "keymount.checkPortsOfNetwork" $driver -}}
    {{- include "keymount.checkPortsOfNetwork" $provider -}}
  {{- end -}}
{{- end -}}
{{- $pods := list -}}
{{- with $values.webhook -}}
  {{- if .enabled }}{{ $pods = append $pods (dict "webhook.port" .port "webhook.healthPort" .healthPort "webhook.metricsAddr" .metricsAddr) }}{{ end -}}
{{- end -}}
{{- with $values.sync -}}
  {{- if .enabled }}{{ $pods = append $pods (dict "sync.metricsPort" .metricsPort "sync.healthPort" .healthPort "metricsAddr" $values.metricsAddr) }}{{ end -}}
{{- end -}}
{{- with $values.operator -}}
  {{- if include "keymount.operator.enabled" $ }}{{ $pods = append $pods (dict "operator.metricsPort" .metricsPort "operator.healthPort" .healthPort) }}{{ end -}}
{{- end -}}
{{- range $name := list "mic" "nmi" -}}
  {{- if $values.podIdentity.enabled -}}
    {{- $pod := index $values.podIdentity $name -}}
    {{- $pods = append $pods (dict (printf "podIdentity.%s.probePort" $name) $pod.probePort (printf "podIdentity.%s.prometheusPort" $name) $pod.prometheusPort) -}}
  {{- end -}}
{{- end -}}
{{- range $pods }}{{ include "keymount.checkPortsOfNetwork" . }}{{ end -}}
{{- end -}}

{{/* Takes the ports of one network, by the name of their values. */}}
{{- define "keymount.checkPortsOfNetwork" -}}
{{- $seen := dict -}}
{{- range $name, $address := . -}}
  {{- $port := include "keymount.portOf" $address -}}
  {{- if and $port (ne $port "0") (hasKey $seen $port) -}}
    {{- fail (printf "%s and %s are both port %s of one pod or node: set another port for one of them" (get $seen $port) $name $port) -}}
  {{- end -}}
  {{- $_ := set $seen $port $name -}}
{{- end -}}
{{- end -}}

{{/* Takes {isExtra, path, program, flags, word}: the path of the `extraArgs`; else the OS, or nothing. */}}
{{- define "keymount.checkFlag" -}}
{{- $parts := regexReplaceAll "^--?" .word "" | splitList "=" -}}
{{- $flag := first $parts -}}
{{- $expected := "" -}}
{{- if not (hasKey .flags $flag) -}}
  {{- $expected = printf "a flag of the program %s" .program -}}
{{- else -}}
  {{- $form := get .flags $flag -}}
  {{- if contains "=" .word -}}
    {{- $text := rest $parts | join "=" -}}
    {{- if not (or (include "keymount.isExpanded" $text) (include "keymount.hasForm" (list $form $text))) }}{{ $expected = $form.expected }}{{ end -}}
  {{- else if not (has $form.type (list "boolean" "ignored")) -}}
    {{- $expected = printf "--%s=VALUE%s" $flag ($form.expected | empty | ternary "" (printf ", VALUE being %s" $form.expected)) -}}
  {{- end -}}
{{- end -}}
{{- if $expected -}}
  {{- $path := .isExtra | ternary .path (include "keymount.valueOfFlag" (list .program $flag .path)) -}}
  {{- $found := .isExtra | ternary .word (rest $parts | join "=") -}}
  {{- fail (printf "%s: found %q, expected %s (docs/flags.md#%s)" $path $found $expected .program) -}}
{{- end -}}
{{- end -}}

{{/* The value that a flag is made of. Takes (list PROGRAM FLAG OS). */}}
{{- define "keymount.valueOfFlag" -}}
{{- $flag := index . 1 -}}
{{- $os := index . 2 -}}
{{- $program := first . -}}
{{- $driver := dict
  "metrics-addr" (printf "%s.metricsAddr" $os) "health-addr" "livenessProbe.port" "enable-secret-rotation" "enableSecretRotation"
  "rotation-poll-interval" "rotationPollInterval" "max-call-recv-msg-size" "maxCallRecvMsgSize" "volume-memory-budget" "volumeMemoryBudget"
  "provider-health-check" "providerHealthCheck" "provider-health-check-interval" "providerHealthCheckInterval" "v" "logVerbosity" -}}
{{- $provider := dict
  "healthz-port" (printf "%s.healthzPort" $os) "health-addr" (printf "%s.healthzPort" $os) "provider-health-addr" (printf "%s.healthzPort" $os)
  "prometheus-port" "metricsAddr" "metrics-addr" "metricsAddr" "provider-metrics-addr" "metricsAddr"
  "healthz-timeout" (printf "%s.healthzTimeout" $os) "construct-pem-chain" "constructPEMChain"
  "write-cert-and-key-in-separate-files" "writeCertAndKeyInSeparateFiles" "max-mount-bytes" "maxCallRecvMsgSize" "v" "logVerbosity" -}}
{{- $values := dict
  "driver" $driver "provider" $provider "node" (merge (deepCopy $driver) $provider)
  "controller" (dict
    "webhook-addr" "webhook.port" "health-addr" "webhook.healthPort" "metrics-addr" "webhook.metricsAddr" "log-level" "webhook.logLevel"
    "legacy-token-path" "webhook.legacyTokenPath")
  "sync" (dict
    "rotation-poll-interval" "sync.rotationPollInterval" "metrics-bind-address" "sync.metricsPort" "health-probe-bind-address" "sync.healthPort"
    "max-call-recv-msg-size" "maxCallRecvMsgSize" "v" "logVerbosity")
  "operator" (dict
    "restart-max-per-minute" "restart.maxPerMinute" "restart-burst" "restart.burst" "restart-min-interval" "restart.minInterval"
    "restart-agree-timeout" "restart.agreeTimeout" "restart-dry-run" "restart.dryRun" "restart-guess" "restart.guess"
    "restart-reloader-annotations" "restart.reloaderAnnotations" "rotation-poll-interval" "rotationPollInterval"
    "events-quiet-poll-interval" "events.quietPollInterval" "metrics-bind-address" "operator.metricsPort"
    "health-probe-bind-address" "operator.healthPort" "v" "logVerbosity")
  "mic" (dict
    "leader-election-duration" "podIdentity.mic.leaderElection.duration" "http-probe-port" "podIdentity.mic.probePort"
    "prometheus-port" "podIdentity.mic.prometheusPort" "syncRetryDuration" "podIdentity.mic.syncRetryDuration"
    "createDeleteBatch" "podIdentity.mic.createDeleteBatch" "update-user-msi-max-retry" "podIdentity.mic.updateUserMSIMaxRetry"
    "update-user-msi-retry-interval" "podIdentity.mic.updateUserMSIRetryInterval"
    "identity-assignment-reconcile-interval" "podIdentity.mic.identityAssignmentReconcileInterval" "v" "podIdentity.mic.logVerbosity")
  "nmi" (dict
    "operation-mode" "podIdentity.operationMode" "http-probe-port" "podIdentity.nmi.probePort" "prometheus-port" "podIdentity.nmi.prometheusPort"
    "ipt-update-interval-sec" "podIdentity.nmi.ipTableUpdateTimeIntervalInSeconds"
    "retry-attempts-for-created" "podIdentity.nmi.retryAttemptsForCreated" "retry-attempts-for-assigned" "podIdentity.nmi.retryAttemptsForAssigned"
    "find-identity-retry-interval" "podIdentity.nmi.findIdentityRetryIntervalInSeconds" "block-instance-metadata" "podIdentity.nmi.blockInstanceMetadata"
    "metadata-header-required" "podIdentity.nmi.metadataHeaderRequired" "set-retry-after-header" "podIdentity.nmi.setRetryAfterHeader"
    "allow-network-plugin-kubenet" "podIdentity.nmi.allowNetworkPluginKubenet" "v" "podIdentity.nmi.logVerbosity")
-}}
{{- get (get $values $program | default dict) $flag | default (printf "the values for %s" $program) -}}
{{- end -}}

{{/* Whether kubelet puts the value of a variable into the text, such as $(LEVEL), so that only it knows the whole: true or empty. */}}
{{- define "keymount.isExpanded" -}}
{{- if regexMatch "[$][(][A-Za-z_]" . }}true{{ end -}}
{{- end -}}

{{/* Refuses a cloud that the program does not know. Takes (list PATH NAME), and names of clouds beside those with built-in endpoints. */}}
{{- define "keymount.checkCloud" -}}
{{- $name := index . 1 -}}
{{- $clouds := concat (list "AzurePublicCloud" "AzureUSGovernmentCloud" "AzureChinaCloud" "AzureGermanCloud") (slice . 2) -}}
{{- $known := concat $clouds (list "AzureCloud" "AzureUSGovernment") | join "," | lower | splitList "," -}}
{{- if not (or (has (lower $name) $known) (include "keymount.isExpanded" $name)) -}}
{{- fail (printf "%s: found %q, expected one of %s" (first .) $name (join ", " $clouds)) -}}
{{- end -}}
{{- end -}}

{{/* Whether the program takes the value: true or empty. Takes (list FORM TEXT). */}}
{{- define "keymount.hasForm" -}}
{{- $form := first . -}}
{{- $text := last . -}}
{{- if or (not $form.pattern) (regexMatch $form.pattern $text) -}}
  {{- $number := 0.0 -}}
  {{- if eq $form.type "duration" }}{{ $number = include "keymount.milliseconds" $text | float64 }}{{ end -}}
  {{- if has $form.type (list "integer" "port") }}{{ $number = trimPrefix "+" $text | float64 }}{{ end -}}
  {{- $isLess := and (hasKey $form "min") (lt $number (float64 $form.min)) -}}
  {{- $isMore := and (hasKey $form "max") (gt $number (float64 $form.max)) -}}
  {{- if not (or $isLess $isMore) }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* Takes a Go duration. */}}
{{- define "keymount.milliseconds" -}}
{{- $units := dict "ns" 0.000001 "us" 0.001 "µs" 0.001 "μs" 0.001 "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+[a-zµμ]+" . -1 -}}
  {{- $unit := regexFind "[a-zµμ]+$" . -}}
  {{- $sum = addf $sum (mulf (trimSuffix $unit .) (get $units $unit)) -}}
{{- end -}}
{{- if hasPrefix "-" . }}{{ $sum = mulf $sum -1 }}{{ end -}}
{{- printf "%f" $sum -}}
{{- end -}}
