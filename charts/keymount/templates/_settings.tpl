{{/*
The values for one daemon on one OS, as YAML: those of the OS for all of its daemons, then the daemon's block, which adds
to lists and maps and replaces other values. The one process of `combined` uses all three blocks.
Takes {root, os, daemon}.
*/}}
{{- define "keymount.settings" -}}
{{- $os := index .root.Values .os -}}
{{- $blocks := list (index $os .daemon) -}}
{{- if eq .daemon "node" }}{{ $blocks = list $os.driver $os.provider $os.node }}{{ end -}}
{{- $extraArgs := list -}}
{{- range $block := $blocks }}{{ $extraArgs = concat $extraArgs (index $block "extraArgs" | default list) }}{{ end -}}
{{- $settings := dict "resources" (index $os .daemon "resources") "extraArgs" ($extraArgs | default list) -}}
{{- range $key := list "daemonsetAnnotations" "podAnnotations" "podLabels" "nodeSelector" -}}
  {{- $map := deepCopy (index $os $key | default dict) -}}
  {{- range $block := $blocks }}{{ $map = mergeOverwrite $map (deepCopy (index $block $key | default dict)) }}{{ end -}}
  {{- $_ := set $settings $key $map -}}
{{- end -}}
{{- range $key := list "env" "volumes" "volumeMounts" -}}
  {{- $list := index $os $key | default list -}}
  {{- range $block := $blocks }}{{ $list = concat $list (index $block $key | default list) }}{{ end -}}
  {{- $_ := set $settings $key ($list | default list) -}}
{{- end -}}
{{- range $key := list "tolerations" "affinity" "priorityClassName" "updateStrategy" "minReadySeconds" -}}
  {{- $value := index $os $key -}}
  {{- range $block := $blocks }}{{ if hasKey $block $key }}{{ $value = index $block $key }}{{ end }}{{ end -}}
  {{- $_ := set $settings $key $value -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* The reference of an OS's image: its digest if there is one, else its tag, else the chart's appVersion. */}}
{{- define "keymount.image" -}}
{{- $image := (index .root.Values .os).image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The daemons that are installed, as a list separated by blanks. */}}
{{- define "keymount.daemons" -}}
{{- if .Values.combined }}node{{ else -}}
{{- $daemons := list -}}
{{- if .Values.driver.install }}{{ $daemons = append $daemons "driver" }}{{ end -}}
{{- if .Values.provider.install }}{{ $daemons = append $daemons "provider" }}{{ end -}}
{{- join " " $daemons -}}
{{- end -}}
{{- end -}}

{{/* A flag with its value, as an item of a list; nothing where a null has dropped the value, so that the program's default counts. Takes (list FLAG VALUE). */}}
{{- define "keymount.flag" -}}
{{- $value := last . -}}
{{- if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ $value = int64 $value }}{{ end }}{{ end -}}
{{- if not (kindIs "invalid" $value) -}}
- {{ first . }}={{ $value }}
{{- end -}}
{{- end -}}

{{/* The port of an address; `--set` makes a number of one that is only a port. Takes the address. */}}
{{- define "keymount.portOf" -}}
{{- with . }}{{ toString . | splitList ":" | last }}{{ end -}}
{{- end -}}

{{/* An address for a flag: a port alone is that port on every address. Takes the address. */}}
{{- define "keymount.address" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}:{{ . }}{{ end -}}
{{- end -}}
