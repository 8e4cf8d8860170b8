{{/* (list $ "gateway" .Values.gateway): what draining nodes must leave running. */}}
{{- define "csp.disruption" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 }}
{{- $replicas := $values.replicas }}
{{- with $values.autoscaling }}{{ if .enabled }}{{ $replicas = .minReplicas }}{{ end }}{{ end }}
{{- if and $values.podDisruptionBudget.enabled (gt (int $replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "csp.name" $root }}-{{ $component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "csp.labels" (list $root $component) | nindent 4 }}
spec:
  minAvailable: {{ $values.podDisruptionBudget.minAvailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "csp.selector" (list $root $component) | nindent 6 }}
{{- end }}
{{- end }}

{{- define "csp.autoscaling" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := (index . 2).autoscaling }}
{{- if $values.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "csp.name" $root }}-{{ $component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "csp.labels" (list $root $component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "csp.name" $root }}-{{ $component }}
  minReplicas: {{ $values.minReplicas }}
  maxReplicas: {{ $values.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $values.cpuPercent }}
  behavior:
    scaleDown:
      # Each pod that goes makes its clients connect again.
      stabilizationWindowSeconds: 600
      policies:
        - type: Pods
          value: 1
          periodSeconds: 120
{{- end }}
{{- end }}
