{{/* Names and labels. A name that is too long is refused with the value that makes it so. */}}

{{- define "concord.fullname" -}}
{{- $name := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-concord" .Release.Name) (contains "concord" .Release.Name)) -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "%q cannot begin the name of a Service: it takes a letter first, then letters, digits and '-'. Choose another release name, or set fullnameOverride." $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* <fullname>-<suffix>: list root suffix [longest] */}}
{{- define "concord.name" -}}
{{- $longest := 63 -}}{{- if gt (len .) 2 -}}{{- $longest = index . 2 -}}{{- end -}}
{{- $name := printf "%s-%s" (include "concord.fullname" (index . 0)) (index . 1) -}}
{{- if gt (len $name) (int $longest) -}}
{{- fail (printf "%s has %d characters; Kubernetes takes %d. Shorten the release name, or set fullnameOverride." $name (len $name) (int $longest)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* A node's name; list root task node */}}
{{- define "concord.node" -}}
{{- $name := printf "%s-%s-%s" (include "concord.fullname" (index . 0)) (index . 1) (index . 2) | replace "_" "-" -}}
{{- if gt (len $name) 63 -}}
{{- fail (printf "tasks.%s.nodes.%s: its Service would be called %s, which has %d characters; Kubernetes takes 63. Shorten the node's, the task's or the release's name, or set fullnameOverride." (index . 1) (index . 2) $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Names in Host under which a Service is asked: list root service [further] */}}
{{- define "concord.hosts" -}}
{{- $space := (index . 0).Release.Namespace -}}{{- $service := index . 1 -}}
{{- $names := list $service (printf "%s.%s" $service $space) (printf "%s.%s.svc" $service $space) (printf "%s.%s.svc.cluster.local" $service $space) -}}
{{- if gt (len .) 2 -}}{{- $names = concat $names (index . 2 | default list) -}}{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{/* Labels that select; list root component. They never change, because a Deployment's selector cannot. */}}
{{- define "concord.selector" -}}
app.kubernetes.io/name: concord
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object; list root component */}}
{{- define "concord.labels" -}}
{{- $root := index . 0 -}}
{{ include "concord.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: concord
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Annotations of what Helm leaves behind on uninstall: what the running system has written. */}}
{{- define "concord.keep" -}}
helm.sh/resource-policy: keep
{{- end -}}

{{/* Name, namespace, labels: list root component name */}}
{{- define "concord.metadata" -}}
name: {{ index . 2 }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "concord.labels" . | nindent 2 }}
{{- end -}}
