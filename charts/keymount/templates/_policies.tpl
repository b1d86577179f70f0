{{/*
A ValidatingAdmissionPolicy for everyone, and its binding with the action of the values. Takes {root, name, rules, validations}, and where
needed matchConditions, variables, and params: the name of a ConfigMap of the release's namespace.
*/}}
{{- define "keymount.policies.policy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  {{- if .params }}
  paramKind:
    apiVersion: v1
    kind: ConfigMap
  {{- end }}
  matchConstraints:
    resourceRules:
      {{- toYaml (list .rules) | nindent 6 }}
  {{- with .matchConditions }}
  matchConditions:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .variables }}
  variables:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  validations:
    {{- toYaml .validations | nindent 4 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [{{ .root.Values.policies.action }}]
  {{- if .params }}
  paramRef:
    name: {{ .params }}
    namespace: {{ .root.Release.Namespace }}
    parameterNotFoundAction: Deny
  {{- end }}
{{- end -}}
