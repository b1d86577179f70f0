{{/* Gives a cluster role to a service account of the release. Takes {root, role, name, account}. */}}
{{- define "keymount.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ include "keymount.upstreamName" (list .root .name) }}
  labels:
    {{- include "keymount.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ include "keymount.upstreamName" (list .root .role) }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
