{{/* What training, upkeep and the benchmark share: a pod of the trainer image that does its work and ends. It holds
     no ServiceAccount token; what it may do, it may by HTTP. */}}

{{/* A pod template: dict root component settings command: list [env: YAML list as text] [spread: labels] [calls: whether
     it calls the consensus service] */}}
{{- define "concord.trainer" -}}
metadata:
  {{- include "concord.podMetadata" (dict "root" .root "component" .component "settings" .settings) | nindent 2 }}
spec:
  restartPolicy: Never
  {{- include "concord.podSpec" (dict "root" .root "component" .component "settings" .settings "spread" .spread) | nindent 2 }}
  containers:
    - name: {{ .component }}
      {{- include "concord.from" (list .root .settings.image) | nindent 6 }}
      {{- include "concord.containerSecurity" . | nindent 6 }}
      command: [python, -m, training]
      args:
        {{- toYaml .command | nindent 8 }}
      env:
        - {name: CONCORD_HOME, value: /tmp/concord}
        {{- include "concord.asksRegistry" .root | nindent 8 }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
        - {name: HOME, value: /tmp}
        - {name: MPLCONFIGDIR, value: /tmp/matplotlib}
        # A log has no width of its own; tables get this one.
        - {name: COLUMNS, value: "160"}
      {{- include "concord.resources" (list .root .settings.resources) | nindent 6 }}
      volumeMounts:
        {{- if .calls }}
        {{- include "concord.authorityMount" .root | nindent 8 }}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
  volumes:
    {{- if .calls }}
    {{- include "concord.authority" .root | nindent 4 }}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: {{ .root.Values.scratch.training }}}
{{- end -}}

{{/* "true" if training learns from rounds: root */}}
{{- define "concord.trainsOnRounds" -}}
{{- $found := "" -}}
{{- range .Values.training.data }}{{ if eq (default "" .source) "journal" }}{{ $found = "true" }}{{ end }}{{ end -}}
{{- $found -}}
{{- end -}}

{{/* A source of rows as `--data` takes it: dict data variable */}}
{{- define "concord.rows" -}}
{{- if .data.existingSecret }}$({{ .variable }}){{ else }}{{ .data.source }}{{ end -}}
{{- end -}}

{{/* The variable that holds the source of a Secret, if there is one: dict data variable */}}
{{- define "concord.rowsVariable" -}}
{{- with .data.existingSecret }}
- name: {{ $.variable }}
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $.data.key | default "source" }}}
{{- end }}
{{- end -}}

{{/* Where the consensus service answers, and the token that it is shown: dict root [secret] */}}
{{- define "concord.caller" -}}
{{ include "concord.service" .root }}
{{- with .secret }}
- name: CONCORD_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: token}
{{- end }}
{{- end -}}
