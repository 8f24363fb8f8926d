{{/* What Concord's own parts are told. */}}

{{/* The enabled nodes, as JSON {"nodes": [{task, node, name, model, settings}]}, in alphabetical order: root */}}
{{- define "concord.nodes" -}}
{{- $root := . -}}{{- $nodes := list -}}{{- $names := dict -}}
{{- range $task, $asked := .Values.tasks -}}
{{- if ne (toString $asked.enabled) "false" -}}
{{- range $node, $settings := $asked.nodes -}}
{{- if ne (toString $settings.enabled) "false" -}}
{{- $name := include "concord.node" (list $root $task $node) -}}
{{- if hasKey $names $name -}}
{{- fail (printf "tasks.%s.nodes.%s and %s would both be called %s, since `_` becomes `-`. Rename one." $task $node (get $names $name) $name) -}}
{{- end -}}
{{- $_ := set $names $name (printf "tasks.%s.nodes.%s" $task $node) -}}
{{- $all := mergeOverwrite (deepCopy $root.Values.nodes) (deepCopy $settings) -}}
{{- $nodes = append $nodes (dict "task" $task "node" $node "name" $name "model" (printf "%s.%s" $task $node) "settings" $all) -}}
{{- end -}}{{- end -}}{{- end -}}{{- end -}}
{{- if not $nodes -}}
{{- fail "No node is enabled, so nothing could answer. Enable one: --set tasks.iris.enabled=true." -}}
{{- end -}}
{{- toJson (dict "nodes" $nodes) -}}
{{- end -}}

{{/* The file that names tasks and nodes, as concord.settings.NodesFile reads it: root */}}
{{- define "concord.nodesFile" -}}
{{- $tasks := .Values.tasks -}}{{- $last := "" -}}
{{- range (include "concord.nodes" . | fromJson).nodes -}}
{{- if ne .task $last -}}
{{- $asked := get $tasks .task -}}
{{- if $last }}{{ "\n\n" }}{{ end -}}
[tasks.{{ .task }}]
policy = {{ $asked.policy | default "wager" | quote }}
score = {{ $asked.score | default "hit" | quote }}
quorum = {{ hasKey $asked "quorum" | ternary $asked.quorum 0.5 }}
deadline_ms = {{ hasKey $asked "deadline_ms" | ternary $asked.deadline_ms 1000 | int64 }}
grace_ms = {{ hasKey $asked "grace_ms" | ternary $asked.grace_ms 200 | int64 }}
deposit = {{ hasKey $asked "deposit" | ternary $asked.deposit 1000 | int64 }}
below_quorum = {{ $asked.below_quorum | default "refuse" | quote }}
{{- if not (kindIs "invalid" $asked.fallback) }}
fallback = {{ $asked.fallback | toJson }}
{{- end }}

[tasks.{{ .task }}.nodes]
{{- $last = .task }}
{{- end }}
{{ .node }} = "http://{{ .name }}:3000"
{{- end }}
{{- end -}}

{{/* Where the registry answers; empty where there is none: root */}}
{{- define "concord.registry" -}}
{{- if .Values.mlflow.enabled -}}
http://{{ include "concord.name" (list . "mlflow") }}:5000
{{- else -}}
{{ .Values.mlflow.trackingUri }}
{{- end -}}
{{- end -}}

{{/* Variables of whoever asks the registry, as MLflow's own clients read them: root */}}
{{- define "concord.asksRegistry" -}}
- {name: MLFLOW_TRACKING_URI, value: {{ include "concord.registry" . | quote }}}
{{- with .Values.mlflow.existingSecret }}
{{- range $variable, $key := dict "PASSWORD" "password" "TOKEN" "token" "USERNAME" "username" }}
- name: MLFLOW_TRACKING_{{ $variable }}
  valueFrom:
    # A registry takes a user and a password, or a token.
    secretKeyRef: {name: {{ $.Values.mlflow.existingSecret }}, key: {{ $key }}, optional: true}
{{- end }}
{{- end }}
{{- with .Values.mlflow.auth.existingSecret }}
{{- range $variable, $key := dict "PASSWORD" "password" "USERNAME" "username" }}
- name: MLFLOW_TRACKING_{{ $variable }}
  valueFrom:
    secretKeyRef: {name: {{ $.Values.mlflow.auth.existingSecret }}, key: {{ $key }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether the consensus service brings versions in, which takes a registry and who may order it; else empty: root */}}
{{- define "concord.appoints" -}}
{{- if and .Values.consensus.tokens.existingSecret (include "concord.registry" .) -}}
true
{{- end -}}
{{- end -}}

{{/* BentoML writes beside its code unless its home is elsewhere; an image straight from `bentoml containerize` runs too. */}}
{{- define "concord.writable" -}}
- {name: HOME, value: /tmp}
- {name: BENTOML_HOME, value: /tmp/bentoml}
{{- end -}}

{{/* Journal and ledger, for the consensus service and the archiver: root */}}
{{- define "concord.records" -}}
- name: CONCORD_HOME
  value: /var/lib/concord
{{- if eq .Values.ledger.store "configmap" }}
- name: CONCORD_LEDGER
  value: configmap:{{ .Release.Namespace }}/{{ include "concord.name" (list . "ledger") }}
{{- end }}
{{- if eq .Values.journal.kind "mariadb" }}
- name: CONCORD_JOURNAL
  value: mysql+pymysql://concord@{{ include "concord.name" (list . "journal") }}:3306/concord
- name: CONCORD_JOURNAL_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.journal.mariadb.existingSecret }}
      key: password
{{- else if eq .Values.journal.kind "url" }}
- name: CONCORD_JOURNAL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.journal.url.existingSecret }}
      key: {{ .Values.journal.url.key }}
{{- end }}
{{- end -}}

{{/* The volume at CONCORD_HOME: root */}}
{{- define "concord.home" -}}
- name: home
  {{- if eq .Values.journal.kind "sqlite" }}
  persistentVolumeClaim:
    claimName: {{ include "concord.name" (list . "consensus") }}
  {{- else }}
  emptyDir: {sizeLimit: {{ .Values.scratch.home }}}
  {{- end }}
{{- end -}}

{{/* Refuses combinations that a schema cannot explain: root */}}
{{- define "concord.check" -}}
{{- $secret := "kubectl --namespace %s create secret generic concord-journal %s" -}}
{{- if and (eq .Values.journal.kind "mariadb") (not .Values.journal.mariadb.existingSecret) -}}
{{- $command := printf $secret .Release.Namespace "--from-literal=password=\"$(openssl rand -hex 24)\" --from-literal=root-password=\"$(openssl rand -hex 24)\"" -}}
{{- fail (printf "journal.kind is mariadb, and journal.mariadb.existingSecret names no secret. Make one:\n  %s\nand set journal.mariadb.existingSecret=concord-journal." $command) -}}
{{- end -}}
{{- if and (eq .Values.journal.kind "url") (not .Values.journal.url.existingSecret) -}}
{{- $command := printf $secret .Release.Namespace (printf "--from-literal=%s='mysql+pymysql://USER:PASSWORD@HOST:3306/NAME'" .Values.journal.url.key) -}}
{{- fail (printf "journal.kind is url, and journal.url.existingSecret names no secret. Make one:\n  %s\nand set journal.url.existingSecret=concord-journal." $command) -}}
{{- end -}}
{{- if not .Values.consensus.tokens.existingSecret -}}
{{- range $right, $flag := dict "predict" "--predicts '*'" "read" "--reads" -}}
{{- if eq (get $.Values.consensus $right) "token" -}}
{{- $command := printf "concord tokens add NAME %s --file tokens.toml\n  kubectl --namespace %s create secret generic concord-tokens --from-file=tokens.toml" $flag $.Release.Namespace -}}
{{- fail (printf "consensus.%s is token, and consensus.tokens.existingSecret names no secret with tokens. Make one:\n  %s\nand set consensus.tokens.existingSecret=concord-tokens." $right $command) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.training.enabled .Values.training.cronJob.enabled) (not (include "concord.registry" .)) -}}
{{- fail "training registers what it fits, and there is no registry. Set mlflow.enabled=true, or mlflow.trackingUri." -}}
{{- end -}}
{{- if .Values.upkeep.enabled -}}
{{- if not .Values.upkeep.existingSecret -}}
{{- $command := printf "concord tokens add upkeep --administers --file tokens.toml\n  kubectl --namespace %s create secret generic concord-upkeep --from-literal=token=TOKEN" .Release.Namespace -}}
{{- fail (printf "upkeep.enabled=true, and upkeep.existingSecret names no secret with the token that it calls with. Make one:\n  %s\nand set upkeep.existingSecret=concord-upkeep; the changed tokens.toml goes into consensus.tokens.existingSecret." $command) -}}
{{- end -}}
{{- if not (include "concord.appoints" .) -}}
{{- fail "upkeep registers what it retrains and orders it served, which takes a registry (mlflow.enabled=true, or mlflow.trackingUri) and a consensus service that knows its token (consensus.tokens.existingSecret)." -}}
{{- end -}}
{{- end -}}
{{- range $task, $_ := .Values.training.data -}}
{{- if and $.Values.training.tasks (not (has $task $.Values.training.tasks)) -}}
{{- fail (printf "training.data.%s names rows of a task that is not trained. Add it to training.tasks, or leave that empty for all." $task) -}}
{{- end -}}
{{- end -}}
{{- if .Values.benchmark.enabled -}}
{{- if not .Values.benchmark.task -}}
{{- fail "benchmark.enabled=true, and benchmark.task names no task. Set one, such as benchmark.task=film_rating." -}}
{{- end -}}
{{- if not (or .Values.benchmark.study.existingSecret (eq .Values.journal.kind "mariadb")) -}}
{{- $command := printf "kubectl --namespace %s create secret generic concord-study --from-literal=%s='mysql+pymysql://USER:PASSWORD@HOST:3306/concord_study'" .Release.Namespace .Values.benchmark.study.key -}}
{{- fail (printf "The benchmark's pods share one study, and benchmark.study.existingSecret names no secret with its database. Make one, of a database that holds nothing else (or set journal.kind=mariadb):\n  %s\nand set benchmark.study.existingSecret=concord-study." $command) -}}
{{- end -}}
{{- if not (include "concord.registry" .) -}}
{{- fail "The benchmark logs every trial, and there is no registry. Set mlflow.enabled=true, or mlflow.trackingUri." -}}
{{- end -}}
{{- if and .Values.benchmark.data.existingSecret .Values.benchmark.data.source -}}
{{- fail "benchmark.data.source and benchmark.data.existingSecret both say where the rows are. Leave one empty." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.mlflow.enabled .Values.mlflow.trackingUri -}}
{{- fail "mlflow.trackingUri names a registry elsewhere, and mlflow.enabled makes one here. Set mlflow.enabled=false, or leave trackingUri empty." -}}
{{- end -}}
{{- if and .Values.mlflow.existingSecret (not .Values.mlflow.trackingUri) -}}
{{- fail "mlflow.existingSecret says who asks a registry elsewhere, and mlflow.trackingUri names none. Set it, or leave existingSecret empty." -}}
{{- end -}}
{{- if and .Values.mlflow.auth.existingSecret (not .Values.mlflow.enabled) -}}
{{- fail "mlflow.auth.existingSecret says whom the MLflow of this release answers, and mlflow.enabled=false makes none. For a registry elsewhere set mlflow.existingSecret." -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.monitoring.podMonitor.enabled -}}
{{- fail "monitoring.serviceMonitor and monitoring.podMonitor would read every metric twice. Enable one." -}}
{{- end -}}
{{- range $task, $asked := .Values.tasks -}}
{{- if ne (eq (toString ($asked.below_quorum | default "refuse")) "fallback") (not (kindIs "invalid" $asked.fallback)) -}}
{{- fail (printf "tasks.%s: below_quorum=fallback and a fallback go together." $task) -}}
{{- end -}}
{{- end -}}
{{- end -}}
