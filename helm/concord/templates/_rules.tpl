{{/* The text of one file of recording rules and alerts, whose runbooks are linked where the repository is read:
     list root path */}}
{{- define "concord.ruleFile" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) -}}
{{- with $root.Values.monitoring.rules.runbooks | trimSuffix "/" -}}
{{- $text = $text | replace "runbook_url: docs/" (printf "runbook_url: %s/docs/" .) -}}
{{- end -}}
{{- $text -}}
{{- end -}}
