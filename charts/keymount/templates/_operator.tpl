{{/* The operator: one Deployment for the parts that are on. A cluster has at most one. All take the root. */}}

{{- define "keymount.operator.enabled" -}}
{{- if .Values.restart.enabled }}true{{ end -}}
{{- end -}}

{{- define "keymount.operator.name" }}keymount-operator{{ end -}}

{{- define "keymount.operator.selector" -}}
app: keymount-operator
{{- end -}}

{{- define "keymount.operator.args" -}}
- operator
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
- --rotation-poll-interval={{ .Values.rotationPollInterval }}
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
