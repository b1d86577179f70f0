/** Settings of a lab's cluster for its charts: a ConfigMap with `values.yaml`. */
export const clusterDefaults = { namespace: 'kube-system', name: 'keymount-lab' } as const

/**
 * Template text for {@link ChartSourceOptions.defaults}: the chart's own values, and over them those of
 * {@link clusterDefaults} where a cluster has it. What the user sets wins over both.
 */
export function defaultsInCluster(): string {
  const { namespace, name } = clusterDefaults
  return [
    '{{- $ours := deepCopy .Values.keymount -}}',
    `{{- with lookup "v1" "ConfigMap" "${namespace}" "${name}" -}}`,
    '{{- $ours = mergeOverwrite $ours (index .data "values.yaml" | fromYaml) -}}',
    '{{- end -}}',
    '{{- toYaml $ours -}}',
  ].join('\n')
}
