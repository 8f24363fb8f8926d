{{/* An autoscaler from `replicas` to `maxReplicas`: dict root component name settings */}}
{{- define "concord.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "concord.metadata" (list .root .component .name) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name }}
  minReplicas: {{ .settings.replicas }}
  maxReplicas: {{ max (int .settings.replicas) (int .settings.autoscaling.maxReplicas) }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .settings.autoscaling.targetCPUUtilizationPercentage }}
{{- end -}}
