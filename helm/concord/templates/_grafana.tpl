{{/* The name of a dashboard's ConfigMap: list root path */}}
{{- define "concord.dashboard" -}}
{{- include "concord.name" (list (index . 0) (printf "dashboard-%s" (trimSuffix ".json" (base (index . 1))))) -}}
{{- end -}}

{{/* Where Grafana finds Prometheus; refused where there is none: root */}}
{{- define "concord.grafanaSource" -}}
{{- if .Values.monitoring.grafana.prometheusUrl -}}
{{ .Values.monitoring.grafana.prometheusUrl }}
{{- else if .Values.monitoring.prometheus.enabled -}}
http://{{ include "concord.name" (list . "prometheus") }}:9090
{{- else -}}
{{- fail "monitoring.grafana.existingSecret turns Grafana on, and there is no Prometheus to show. Set monitoring.prometheus.enabled=true, or monitoring.grafana.prometheusUrl." -}}
{{- end -}}
{{- end -}}

{{/* Grafana's files below /etc/grafana/provisioning, as its documentation calls them: root */}}
{{- define "concord.grafanaFiles" -}}
{{- $grafana := .Values.monitoring.grafana -}}
datasources.yaml: |
  apiVersion: 1
  # A data source that is no longer named here goes.
  prune: true
  datasources:
    - name: Prometheus
      uid: concord-prometheus
      type: prometheus
      access: proxy
      url: {{ include "concord.grafanaSource" . | quote }}
      isDefault: true
      editable: false
      jsonData:
        httpMethod: POST
        # Between two scrapes; rates are taken over four of them at least.
        timeInterval: {{ $grafana.scrapeInterval | default .Values.monitoring.prometheus.interval }}
dashboards.yaml: |
  apiVersion: 1
  providers:
    - name: concord
      folder: Concord
      type: file
      disableDeletion: false
      allowUiUpdates: false
      updateIntervalSeconds: 30
      options:
        path: /etc/concord/dashboards
{{- end -}}
