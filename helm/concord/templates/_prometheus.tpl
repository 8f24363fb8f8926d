{{/* The release's pods, as the API server takes it: root */}}
{{- define "concord.prometheusSelector" -}}
app.kubernetes.io/name=concord,app.kubernetes.io/instance={{ .Release.Name }}
{{- end -}}

{{/* Prometheus' own file: whom it asks how often, and by which names their answers are known: root */}}
{{- define "concord.prometheusConfig" -}}
{{- $settings := .Values.monitoring.prometheus -}}
global:
  scrape_interval: {{ $settings.interval }}
  evaluation_interval: {{ $settings.interval }}
rule_files: [rules.*.yaml]
{{- with $settings.alertmanagers }}
alerting:
  alertmanagers:
    - static_configs:
        - targets:
            {{- toYaml . | nindent 12 }}
{{- end }}
scrape_configs:
  - job_name: concord
    {{- if eq $settings.discovery "kubernetes" }}
    kubernetes_sd_configs:
      - role: pod
        namespaces: {own_namespace: true}
        selectors:
          - {role: pod, label: "{{ include "concord.prometheusSelector" . }}"}
    {{- else }}
    file_sd_configs:
      - files: [/targets/pods.json]
    {{- end }}
    {{- with .Values.consensus.tls }}
    {{- if .existingSecret }}
    # Of the pods that answer by TLS, which are asked by address.
    tls_config:
      server_name: {{ include "concord.name" (list $ "consensus") }}
      {{- if .privateCA }}
      ca_file: /etc/concord-ca/ca.crt
      {{- end }}
    {{- end }}
    {{- end }}
    relabel_configs:
      {{- if .Values.consensus.tls.existingSecret }}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_component], regex: consensus, target_label: __scheme__, replacement: https}
      {{- end }}
      # Components that serve metrics, at the port that does; init steps, Jobs and the database have none.
      - source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_component, __meta_kubernetes_pod_container_port_name]
        regex: (node|consensus|prometheus);http|(page|mlflow);metrics
        action: keep
      # A pod that has ended keeps its address and answers no more.
      - source_labels: [__meta_kubernetes_pod_phase]
        regex: Succeeded|Failed
        action: drop
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
      - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_component], target_label: component}
      - {source_labels: [__meta_kubernetes_pod_label_concord_dev_task], target_label: task}
      - {source_labels: [__meta_kubernetes_pod_label_concord_dev_node], target_label: node}
{{- end -}}
