{{/* The operator: one Deployment for the parts that are on. A cluster has at most one. All take the root. */}}

{{- define "keymount.operator.enabled" -}}
{{- if or .Values.restart.enabled .Values.events.enabled .Values.statusInterval.enabled }}true{{ end -}}
{{- end -}}

{{/* Annotations of the CSIDriver object that the operator writes, by commas; empty for none. */}}
{{- define "keymount.operator.csiDriverAnnotations" -}}
{{- $annotations := list -}}
{{- if .Values.statusInterval.enabled }}{{ $annotations = append $annotations "keymount.dev/status-interval" }}{{ end -}}
{{- if and .Values.events.enabled .Values.events.quietPollInterval }}{{ $annotations = append $annotations "keymount.dev/events-confirmed" }}{{ end -}}
{{- join "," $annotations -}}
{{- end -}}

{{- define "keymount.operator.name" }}keymount-operator{{ end -}}

{{- define "keymount.operator.selector" -}}
app: keymount-operator
{{- end -}}

{{- define "keymount.operator.args" -}}
- operator
{{- if .Values.restart.enabled }}
{{- with .Values.restart }}
- --restart
- --restart-max-per-minute={{ .maxPerMinute | int64 }}
- --restart-burst={{ .burst | int64 }}
- --restart-min-interval={{ .minInterval }}
- --restart-agree-timeout={{ .agreeTimeout }}
- --restart-dry-run={{ .dryRun }}
- --restart-guess={{ .guess }}
- --restart-reloader-annotations={{ .reloaderAnnotations }}
{{- with .namespaces }}
- {{ printf "--namespaces=%s" (join "," .) | quote }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" .Values.rotationPollInterval) }}
- --rotation-poll-interval={{ .Values.rotationPollInterval }}
{{- end }}
{{- end }}
{{- if .Values.events.enabled }}
{{- with .Values.events }}
- --events
{{- with .queue }}
- --events-queue={{ . }}
{{- end }}
{{- with .namespaceTopic }}
- --events-namespace-topic={{ . }}
{{- end }}
{{- range .watchVaults }}
- --events-watch-vaults={{ .vault }}={{ .interval }}
{{- end }}
{{- with .vaults }}
- {{ printf "--events-vaults=%s" (join "," .) | quote }}
{{- end }}
{{- with .quietPollInterval }}
- --events-quiet-poll-interval={{ . }}
{{- end }}
{{- if not (kindIs "invalid" .signInsPerSecond) }}
- --events-sign-ins-per-second={{ int .signInsPerSecond }}
{{- end }}
{{- with .cloud }}
- --events-cloud={{ . }}
{{- end }}
{{- with .namespaces }}
- {{ printf "--events-namespaces=%s" (join "," .) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.statusInterval.enabled }}
- --status-interval
{{- end }}
{{- if include "keymount.operator.csiDriverAnnotations" . }}
- --drivername={{ .Values.driver.name }}
{{- end }}
- --metrics-bind-address=:{{ .Values.operator.metricsPort }}
- --health-probe-bind-address=:{{ .Values.operator.healthPort }}
- --leader-elect
- --leader-election-namespace={{ .Release.Namespace }}
- -v={{ .Values.logVerbosity }}
{{- range .Values.operator.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Rights of the part `restart`: no Secret, and of pods the metadata of all and the status of single ones. */}}
{{- define "keymount.restart.rules" -}}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, watch, patch]
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [get, list, watch, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [secrets-store.csi.x-k8s.io]
  resources: [secretproviderclasspodstatuses, secretproviderclasses]
  verbs: [get, list, watch]
- apiGroups: [secret-sync.x-k8s.io]
  resources: [secretsyncs]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch, get]
{{- end -}}

{{/* Rights of the part `events`. A policy restricts the patches to one annotation. */}}
{{- define "keymount.events.rules" -}}
- apiGroups: [secrets-store.csi.x-k8s.io]
  resources: [secretproviderclasses]
  verbs: [get, list, watch, patch]
{{- end -}}

{{/* The identity of the operator in Azure: a token of its service account that Entra exchanges. */}}
{{- define "keymount.events.env" -}}
- name: AZURE_CLIENT_ID
  value: {{ required "events.clientID: missing; expected the client id of the operator's identity (keymount events setup)" .Values.events.clientID | quote }}
- name: AZURE_TENANT_ID
  value: {{ required "events.tenantID: missing; expected the tenant of the operator's identity (keymount events setup)" .Values.events.tenantID | quote }}
- name: AZURE_FEDERATED_TOKEN_FILE
  value: /var/run/secrets/azure/tokens/azure-identity-token
{{- end -}}

{{/*
Validations that an update changes some annotations of an object and nothing else. Takes {annotations, what, fields}: the names by commas,
and the fields of the object beside metadata that have to stay as they are.
*/}}
{{- define "keymount.operator.onlyAnnotations" -}}
{{- $names := splitList "," .annotations -}}
{{- $message := printf "the operator changes only the annotation%s %s of a %s" (gt (len $names) 1 | ternary "s" "") (join " and " $names) .what -}}
{{- $validations := list (dict "expression" "request.operation == 'UPDATE'" "message" (printf "the operator creates and deletes no %s" .what)) -}}
{{- range $field := list "labels" "finalizers" "ownerReferences" }}
{{- $empty := eq $field "labels" | ternary "{}" "[]" -}}
{{- $validations = append $validations (dict "message" $message "expression" (printf "(has(object.metadata.%[1]s) ? object.metadata.%[1]s : %[2]s) == (has(oldObject.metadata.%[1]s) ? oldObject.metadata.%[1]s : %[2]s)" $field $empty)) -}}
{{- end }}
{{- range $field := .fields }}
{{- $validations = append $validations (dict "message" $message "expression" (printf "has(object.%[1]s) == has(oldObject.%[1]s) && (!has(object.%[1]s) || object.%[1]s == oldObject.%[1]s)" $field)) -}}
{{- end }}
{{- $of := "(has(%[1]s.metadata.annotations) ? %[1]s.metadata.annotations : {})" -}}
{{- $validations = append $validations (dict "message" $message "expression" (printf "%[1]s.all(key, key in ['%[3]s'] || (key in %[2]s && %[2]s[key] == %[1]s[key])) && %[2]s.all(key, key in ['%[3]s'] || key in %[1]s)" (printf $of "object") (printf $of "oldObject") (join "', '" $names))) -}}
{{- $validations | toYaml -}}
{{- end -}}

{{/* Binds a role of the same name to the operator's account: in a namespace, or in the cluster. Takes {root, role, namespace}. */}}
{{- define "keymount.operator.binding" -}}
{{- $prefix := empty .namespace | ternary "Cluster" "" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}RoleBinding
metadata:
  name: {{ .role }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $prefix }}Role
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ include "keymount.operator.name" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/*
Validations that an update changes nothing of a workload but one place of its spec. Takes {field, template}: a field of the spec
that may change, or, with `template`, the annotation of the pod template.
*/}}
{{- define "keymount.restart.validations" -}}
{{- $same := "%[1]s.all(key, key in [%[3]s] || (key in %[2]s && %[2]s[key] == %[1]s[key])) && %[2]s.all(key, key in [%[3]s] || key in %[1]s)" -}}
{{- $meta := "(has(object.metadata.%[1]s) ? object.metadata.%[1]s : %[2]s) == (has(oldObject.metadata.%[1]s) ? oldObject.metadata.%[1]s : %[2]s)" -}}
{{- $annotations := "(has(%[1]s.spec.template.metadata.annotations) ? %[1]s.spec.template.metadata.annotations : {})" -}}
{{- $message := "the operator changes only the annotation keymount.dev/restarted-for of the pod template" -}}
{{- $spec := "'template'" -}}
{{- if not .template }}{{ $message = "the operator changes only spec.restartAt of a Rollout" }}{{ $spec = "'restartAt'" }}{{ end -}}
{{- $expressions := list
  (printf $meta "labels" "{}") (printf $meta "annotations" "{}") (printf $meta "finalizers" "[]") (printf $meta "ownerReferences" "[]")
  (printf $same "object.spec" "oldObject.spec" $spec) -}}
{{- if .template }}
{{- $new := printf $annotations "object" -}}
{{- $old := printf $annotations "oldObject" -}}
{{- $expressions = concat $expressions (list
  (printf $same "object.spec.template" "oldObject.spec.template" "'metadata'")
  (printf $same "object.spec.template.metadata" "oldObject.spec.template.metadata" "'annotations'")
  (printf "%[1]s.all(key, key == 'keymount.dev/restarted-for' || (key in %[2]s && %[2]s[key] == %[1]s[key])) && %[2]s.all(key, key == 'keymount.dev/restarted-for' || key in %[1]s)" $new $old)) -}}
{{- end -}}
{{- $validations := list -}}
{{- range $expressions }}{{ $validations = append $validations (dict "expression" . "message" $message) }}{{ end -}}
{{- $validations | toYaml -}}
{{- end -}}
