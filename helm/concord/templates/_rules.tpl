{{/* The text of one file of recording rules and alerts: list root path. Their runbooks are named by their place in the
     repository, and linked where `runbooks` says where it is read: a link is absolute or it is none. */}}
{{- define "concord.ruleFile" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) -}}
{{- with $root.Values.monitoring.rules.runbooks | trimSuffix "/" -}}
{{- $text = $text | replace "runbook: docs/" (printf "runbook_url: %s/docs/" .) -}}
{{- end -}}
{{- $text -}}
{{- end -}}
