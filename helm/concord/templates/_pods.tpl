{{/* What every pod has, so that each passes Pod Security's `restricted` profile: no root, no privilege, no
     writable root file system, no token unless it says so. */}}

{{/* list root image */}}
{{- define "concord.image" -}}
{{- $global := (index . 0).Values.image -}}{{- $image := index . 1 -}}
{{- $registry := $image.registry | default $global.registry -}}
{{- $name := ternary (printf "%s/%s" (trimSuffix "/" $registry) $image.repository) $image.repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- /* With its tag, which says to people what the digest is. */ -}}
{{ $name }}{{ with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default $global.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Labels and annotations of a pod template: dict root component settings [annotations] [labels] */}}
{{- define "concord.podMetadata" -}}
{{- $root := .root -}}
labels:
  {{- with $root.Values.pods.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "concord.selector" (list $root .component) | nindent 2 }}
  app.kubernetes.io/part-of: concord
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge (dict) (.annotations | default dict) (.settings.podAnnotations | default dict) $root.Values.pods.annotations -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* dict root component settings [user] [token: ServiceAccount] [account: one whose token a container mounts itself] [spread: labels] [rolls] */}}
{{- define "concord.podSpec" -}}
{{- $root := .root -}}{{- $pods := $root.Values.pods -}}{{- $settings := .settings -}}
{{- $user := .user | default 1034 -}}
enableServiceLinks: false
{{- with .token }}
serviceAccountName: {{ . }}
automountServiceAccountToken: true
{{- else }}
{{- with .account }}
serviceAccountName: {{ . }}
{{- end }}
automountServiceAccountToken: false
{{- end }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
terminationGracePeriodSeconds: {{ $pods.terminationGracePeriodSeconds }}
{{- with $settings.priorityClassName | default $pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with merge (dict) ($settings.nodeSelector | default dict) $pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity | default $settings.affinity | default $pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.tolerations | default $pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $own := $settings.topologySpreadConstraints | default $pods.topologySpreadConstraints -}}
{{- if $own }}
topologySpreadConstraints:
  {{- toYaml $own | nindent 2 }}
{{- else if and .spread $root.Values.spread.enabled }}
topologySpreadConstraints:
  - topologyKey: {{ $root.Values.spread.topologyKey }}
    maxSkew: {{ $root.Values.spread.maxSkew }}
    whenUnsatisfiable: {{ $root.Values.spread.whenUnsatisfiable }}
    # A control plane's taint keeps pods away, so it is no place to spread to.
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        {{- toYaml .spread | nindent 8 }}
    {{- if .rolls }}
    # During a rolling upgrade the new pods are spread by themselves.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
{{- end }}
{{- end -}}

{{- define "concord.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Requests and limits, over those of every pod: list root resources */}}
{{- define "concord.resources" -}}
resources:
  {{- mergeOverwrite (deepCopy (index . 0).Values.pods.resources) (index . 1) | toYaml | nindent 2 }}
{{- end -}}

{{/* image, pull policy: list root image */}}
{{- define "concord.from" -}}
image: {{ include "concord.image" . | quote }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
{{- end -}}

{{/* A pod that was told to end still answers until no Service sends to it: root */}}
{{- define "concord.drain" -}}
{{- if .Values.pods.drainSeconds -}}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.pods.drainSeconds }}
{{- end -}}
{{- end -}}

{{/* The same, and meanwhile its callers leave their connections, because CONCORD_DRAIN_FILE is there: root */}}
{{- define "concord.drainAndSay" -}}
{{- with .Values.pods.drainSeconds -}}
lifecycle:
  preStop:
    exec:
      command: [sh, -c, "touch /tmp/draining && sleep {{ . }}"]
{{- end -}}
{{- end -}}

{{/* Probes of a service of ours: dict live ready [scheme]. A start may take five minutes on a busy machine. The kubelet
     asks by HTTPS without looking at the certificate. */}}
{{- define "concord.probes" -}}
startupProbe:
  httpGet: {path: {{ .live }}, port: http{{ with .scheme }}, scheme: {{ . }}{{ end }}}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 150
livenessProbe:
  httpGet: {path: {{ .live }}, port: http{{ with .scheme }}, scheme: {{ . }}{{ end }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ .ready }}, port: http{{ with .scheme }}, scheme: {{ . }}{{ end }}}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Prometheus' own annotations, where they are wanted: list root port [scheme] */}}
{{- define "concord.scraped" -}}
{{- if (index . 0).Values.monitoring.annotations -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ index . 1 | quote }}
prometheus.io/path: /metrics
{{- if gt (len .) 2 }}
prometheus.io/scheme: {{ index . 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* A Service's spec: dict root component port settings [portName] [appProtocol] */}}
{{- define "concord.serviceSpec" -}}
type: {{ .settings.type }}
selector:
  {{- include "concord.selector" (list .root .component) | nindent 2 }}
ports:
  - name: {{ .portName | default "http" }}
    port: {{ .port }}
    targetPort: {{ .portName | default "http" }}
    protocol: TCP
    {{- with .appProtocol }}
    # So that a proxy in front speaks TLS to the pod.
    appProtocol: {{ . }}
    {{- end }}
    {{- with .settings.nodePort }}
    nodePort: {{ . }}
    {{- end }}
{{- end -}}

{{/* A volume that outlives `helm uninstall`: dict root component size storageClass */}}
{{- define "concord.volume" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "concord.metadata" (list .root .component (include "concord.name" (list .root .component))) | nindent 2 }}
  annotations:
    {{- include "concord.keep" . | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .size }}
{{- end -}}
