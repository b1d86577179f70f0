{{/*
A ValidatingAdmissionPolicy for one account, and its binding. Takes {root, name, account, rules, validations}: the last is a
list of {expression, message}.
*/}}
{{- define "keymount.fence.policy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConditions:
    - name: account
      expression: request.userInfo.username == 'system:serviceaccount:{{ .root.Release.Namespace }}:{{ .account }}'
  matchConstraints:
    resourceRules:
      {{- toYaml .rules | nindent 6 }}
  validations:
    {{- range .validations }}
    - expression: {{ .expression | quote }}
      message: {{ .message | quote }}
      reason: Forbidden
    {{- end }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end -}}

{{/* Whether to install the policies: they are wanted, and the API server has the kind. Takes the root. */}}
{{- define "keymount.fence.installed" -}}
{{- if and .Values.policies.fence (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy") }}true{{ end -}}
{{- end -}}
