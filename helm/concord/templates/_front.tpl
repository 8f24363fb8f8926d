{{/* What an Ingress and an HTTPRoute share: which hosts lead to the API and to the page, and at which paths. */}}

{{/* The hosts that lead to one of them, as a JSON list: list root what (api or page) */}}
{{- define "concord.frontHosts" -}}
{{- $root := index . 0 -}}{{- $what := index . 1 -}}{{- $hosts := list -}}
{{- range list $root.Values.ingress $root.Values.httpRoute -}}
{{- if .enabled -}}{{- $hosts = concat $hosts (get .hosts $what) -}}{{- end -}}
{{- end -}}
{{- uniq $hosts | toJson -}}
{{- end -}}

{{/* What is behind them, as JSON {api, page: {component, service, port, path}}: root */}}
{{- define "concord.backends" -}}
{{- $api := dict "component" "consensus" "service" (include "concord.name" (list . "consensus")) "port" 3000 "path" (.Values.consensus.rootPath | default "/") -}}
{{- $page := dict "component" "page" "service" (include "concord.name" (list . "page")) "port" 8501 "path" (.Values.page.basePath | default "/") -}}
{{- dict "api" $api "page" $page | toJson -}}
{{- end -}}

{{/* Refuses what would lead nowhere: list root name (ingress or httpRoute) */}}
{{- define "concord.checkFront" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}{{- $front := get $root.Values $name -}}
{{- if not (concat $front.hosts.api $front.hosts.page) -}}
{{- fail (printf "%s.enabled=true, and %s.hosts names no host. Set %s.hosts.api={concord.example.com}, or %s.hosts.page." $name $name $name $name) -}}
{{- end -}}
{{- if and $front.hosts.page (not $root.Values.page.enabled) -}}
{{- fail (printf "%s.hosts.page leads to the page, and page.enabled=false. Set page.enabled=true, or leave %s.hosts.page empty." $name $name) -}}
{{- end -}}
{{- range $front.hosts.page -}}
{{- if and (has . $front.hosts.api) (eq ($root.Values.consensus.rootPath | default "/") ($root.Values.page.basePath | default "/")) -}}
{{- fail (printf "%s.hosts: %s leads to the API and to the page at one path. Set consensus.rootPath=/concord or page.basePath=/page, or give each a host." $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
