{{/*
Name as upstream's release has it. It takes the place of the definition of the same name in charts/keymount.
*/}}

{{- define "keymount.sync.name" }}secrets-store-sync-controller{{ end -}}
