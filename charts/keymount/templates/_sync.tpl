{{/* The controller of SecretSyncs. Names are upstream's, because test suites and users rely on them; a cluster has at most one. All take the root. */}}

{{- define "keymount.sync.name" }}secrets-store-sync-controller-manager{{ end -}}

{{- define "keymount.sync.account" }}secrets-store-sync-controller{{ end -}}

{{- define "keymount.sync.selector" -}}
control-plane: controller-manager
secrets-store.io/system: "true"
{{- end -}}

{{- define "keymount.sync.podLabels" -}}
{{- $own := dict "control-plane" "controller-manager" "secrets-store.io/system" "true" "app" "secrets-store-sync-controller" -}}
{{- include "keymount.podLabels" (dict "root" . "selector" $own "component" "sync" "labels" .Values.sync.podLabels) -}}
{{- end -}}

{{- define "keymount.sync.labels" -}}
secrets-store.io/system: "true"
{{ include "keymount.labels" . }}
{{- end -}}

{{- define "keymount.sync.args" -}}
- sync
- --provider-volume=/provider
- {{ printf "--token-request-audience=%s" (join "," .Values.sync.tokenRequestAudience) | quote }}
- --rotation-poll-interval={{ .Values.sync.rotationPollInterval }}
- --controller-name={{ .Values.sync.controllerName }}
- --metrics-bind-address=:{{ .Values.sync.metricsPort }}
- --health-probe-bind-address=:{{ .Values.sync.healthPort }}
- --leader-elect
- --leader-election-namespace={{ .Release.Namespace }}
- --max-call-recv-msg-size={{ .Values.maxCallRecvMsgSize | int64 }}
{{- with .Values.sync.namespaces }}
- {{ printf "--namespaces=%s" (join "," .) | quote }}
{{- end }}
{{- with include "keymount.sync.selectorText" .Values.sync.namespaceSelector }}
- {{ printf "--namespace-selector=%s" . | quote }}
{{- end }}
{{- if .Values.sync.classes }}
- --sync-classes
{{- end }}
- -v={{ .Values.logVerbosity }}
{{- range .Values.sync.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* A label selector as the API server's query has it. Takes the selector. */}}
{{- define "keymount.sync.selectorText" -}}
{{- $parts := list -}}
{{- range $key, $value := .matchLabels }}{{ $parts = append $parts (printf "%s=%s" $key $value) }}{{ end -}}
{{- range .matchExpressions -}}
{{- $operator := get (dict "In" "in" "NotIn" "notin") .operator -}}
{{- if $operator }}{{ $parts = append $parts (printf "%s %s (%s)" .key $operator (join "," .values)) }}
{{- else }}{{ $parts = append $parts (printf "%s%s" (ternary "!" "" (eq .operator "DoesNotExist")) .key) }}{{ end -}}
{{- end -}}
{{- join "," $parts -}}
{{- end -}}

{{/* A list of texts as one in CEL. Takes the list. */}}
{{- define "keymount.sync.celList" -}}
{{- $quoted := list -}}
{{- range . }}{{ $quoted = append $quoted (quote .) }}{{ end -}}
[{{ join ", " $quoted }}]
{{- end -}}

{{/* A policy of upstream's name and its binding, for requests of the controller's account alone. Takes {root, name, rules, spec}. */}}
{{- define "keymount.sync.policy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: secrets-store-sync-controller-{{ .name }}
  labels:
    {{- include "keymount.sync.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConditions:
    - name: user-is-secrets-store-sync-controller
      expression: request.userInfo.username == 'system:serviceaccount:{{ .root.Release.Namespace }}:{{ include "keymount.sync.account" .root }}'
  matchConstraints:
    resourceRules:
      {{- toYaml (list .rules) | nindent 6 }}
  {{- tpl .spec .root | nindent 2 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: secrets-store-sync-controller-{{ .name }}-binding
  labels:
    {{- include "keymount.sync.labels" .root | nindent 4 }}
spec:
  policyName: secrets-store-sync-controller-{{ .name }}
  validationActions: [Deny]
{{- end -}}

{{/* Another provider's socket belongs to the user of its container, usually root. */}}
{{- define "keymount.sync.securityContext" -}}
{{- if .Values.sync.providerContainer -}}
runAsUser: 0
runAsGroup: 0
{{- else -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
{{- end }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "keymount.sync.rules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
# Its annotations have the client and tenant of a class that names neither.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch, get]
- apiGroups: [secret-sync.x-k8s.io]
  resources: [secretsyncs]
  verbs: [get, list, watch, patch]
- apiGroups: [secret-sync.x-k8s.io]
  resources: [secretsyncs/status]
  verbs: [get, patch, update]
- apiGroups: [secrets-store.csi.x-k8s.io]
  resources: [secretproviderclasses]
  verbs: [get, list, watch]
{{- if include "keymount.sync.selectorText" .Values.sync.namespaceSelector }}
# Their labels decide.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}
{{- end -}}
