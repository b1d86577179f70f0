import { basename, dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { ChartFiles } from './chart-files.ts'

/** `Chart.yaml`, as far as charts are put together by it. https://helm.sh/docs/topics/charts/#the-chartyaml-file */
export interface ChartMetadata {
  apiVersion: string
  name: string
  version: string
  appVersion?: string
  description?: string
  type?: string
  kubeVersion?: string
  keywords?: string[]
  dependencies?: { name: string; version: string; repository: string }[]
}

export interface ComposedChart {
  metadata: ChartMetadata
  files: ChartFiles
}

const innerName = 'keymount'

/** Keeps helm from installing a thin chart's directory, which renders nothing. */
const guard = 'templates/incomplete.yaml'

/**
 * A thin chart with the whole of charts/keymount inside. Helm renders no template of a library chart by itself, so each
 * one gets a file in the outer chart that includes it, with our values from the outer chart's `upstream.values`.
 */
export function composeChart(options: {
  outer: ChartFiles
  metadata: ChartMetadata
  inner: ChartFiles
  innerMetadata: ChartMetadata
  /** Template text that gives the values of the inner chart as they would be by themselves, as YAML. */
  defaults?: string | undefined
}): ComposedChart {
  const { outer, inner, innerMetadata, defaults = '{{- toYaml .Values.keymount -}}' } = options
  const metadata: ChartMetadata = {
    ...options.metadata,
    version: `${options.metadata.version}+keymount.${innerMetadata.version}`,
    ...(innerMetadata.appVersion === undefined ? {} : { appVersion: innerMetadata.appVersion }),
    dependencies: [{ name: innerName, version: innerMetadata.version, repository: '' }],
  }
  const files = new Map<string, string>(outer)
  files.delete(guard)
  files.set('Chart.yaml', stringify(metadata))
  files.set('templates/_defaults.tpl', `{{- define "keymount.defaults" -}}\n${defaults}\n{{- end -}}\n`)
  for (const [path, text] of inner) {
    // The schema is that of a values file; what comes here was made by a template.
    if (path === 'values.schema.json') continue
    files.set(`charts/${innerName}/${asPartial(path)}`, text)
    if (isRendered(path)) files.set(path, rendering(metadata.name, path))
  }
  files.set(`charts/${innerName}/Chart.yaml`, stringify({ ...innerMetadata, type: 'library' }))
  return { metadata, files }
}

/** Files of `templates/` that Helm renders: those whose names do not begin with `_`. */
function isRendered(path: string): boolean {
  return dirname(path) === 'templates' && !basename(path).startsWith('_')
}

function asPartial(path: string): string {
  return isRendered(path) ? join('templates', `_${basename(path)}`) : path
}

function rendering(chart: string, path: string): string {
  const lines = [
    '{{- $values := include "upstream.values" . | fromYaml -}}',
    '{{- $inner := .Subcharts.keymount -}}',
    '{{- $root := dict "Values" $values "Chart" $inner.Chart "Files" $inner.Files "Release" .Release "Capabilities" .Capabilities "Template" .Template -}}',
    `{{- include "${chart}/charts/${innerName}/${asPartial(path)}" $root }}`,
  ]
  if (basename(path) === 'NOTES.txt') {
    lines.push(
      '{{- with include "upstream.ignored" . | fromYamlArray }}',
      '',
      'Without meaning for Keymount, and ignored: {{ join ", " . }}. docs/migrate.md has their replacements.',
      '{{- end }}',
    )
  }
  return `${lines.join('\n')}\n`
}
