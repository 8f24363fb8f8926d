{{/* How the consensus service is called: by TLS where it has a certificate (consensus.tls), else in plain HTTP. */}}

{{/* Its address within the cluster: root */}}
{{- define "concord.serviceUrl" -}}
{{ ternary "https" "http" (ne .Values.consensus.tls.existingSecret "") }}://{{ include "concord.name" (list . "consensus") }}:3000
{{- end -}}

{{/* "true" where a private authority signed its certificate, which callers must be told: root */}}
{{- define "concord.hasAuthority" -}}
{{- if and .Values.consensus.tls.existingSecret .Values.consensus.tls.privateCA -}}true{{- end -}}
{{- end -}}

{{/* Variables of whoever calls it: root */}}
{{- define "concord.service" -}}
- {name: CONCORD_URL, value: {{ include "concord.serviceUrl" . | quote }}}
{{- with include "concord.authorityPath" . }}
{{ . }}
{{- end }}
{{- end -}}

{{/* The variable that names the authority's certificate; nothing without a private one: root */}}
{{- define "concord.authorityPath" -}}
{{- if include "concord.hasAuthority" . -}}
- {name: CONCORD_CA, value: /etc/concord-ca/ca.crt}
{{- end -}}
{{- end -}}

{{/* Its volume, which holds the Secret's ca.crt and not the key: root */}}
{{- define "concord.authority" -}}
{{- if include "concord.hasAuthority" . -}}
- name: authority
  secret:
    secretName: {{ .Values.consensus.tls.existingSecret }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end -}}
{{- end -}}

{{/* Where that is mounted: root */}}
{{- define "concord.authorityMount" -}}
{{- if include "concord.hasAuthority" . -}}
- {name: authority, mountPath: /etc/concord-ca, readOnly: true}
{{- end -}}
{{- end -}}
