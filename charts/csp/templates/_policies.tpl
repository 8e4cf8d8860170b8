{{/* Peers and rules of network policies, as JSON. */}}

{{/* Pods of a component in the release's namespace: (list $ "gateway"). */}}
{{- define "csp.pods" -}}
{{- $root := index . 0 }}
{{- dict
  "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $root.Release.Namespace))
  "podSelector" (dict "matchLabels" (include "csp.selector" . | fromYaml)) | toJson }}
{{- end }}

{{/* Workers of a served namespace: (list $ "namespace"). */}}
{{- define "csp.workers" -}}
{{- dict
  "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" (index . 1)))
  "podSelector" (dict "matchExpressions" (list (dict "key" "sessionplane.io/pool" "operator" "Exists"))) | toJson }}
{{- end }}

{{/* A rule to a component's port: (list $ "gateway" 8400). */}}
{{- define "csp.toPods" -}}
{{- dict "to" (list (include "csp.pods" . | fromJson)) "ports" (list (dict "port" (index . 2))) | toJson }}
{{- end }}

{{/* A rule to networks: (dict "cidrs" list "ports" list). */}}
{{- define "csp.toNetworks" -}}
{{- $to := list }}{{ $ports := list }}
{{- range .cidrs }}{{ $to = append $to (dict "ipBlock" (dict "cidr" .)) }}{{ end }}
{{- range .ports }}{{ $ports = append $ports (dict "port" (int .)) }}{{ end }}
{{- dict "to" $to "ports" $ports | toJson }}
{{- end }}

{{/* A rule to everything that is not private. */}}
{{- define "csp.internet" -}}
{{- $ports := list }}
{{- range uniq (append .Values.egressProxy.allowedPorts 443) }}{{ $ports = append $ports (dict "port" (int .)) }}{{ end }}
{{- $block := dict "cidr" "0.0.0.0/0" }}
{{- with .Values.networkPolicy.internetExcept }}{{ $_ := set $block "except" . }}{{ end }}
{{- dict "to" (list (dict "ipBlock" $block)) "ports" $ports | toJson }}
{{- end }}

{{/* (list $ "component" ingress egress) */}}
{{- define "csp.policy" }}
{{- $root := index . 0 }}{{ $component := index . 1 }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "csp.name" $root }}-{{ $component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "csp.labels" (list $root $component) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "csp.selector" (list $root $component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- index . 2 | toYaml | nindent 4 }}
  egress:
    {{- index . 3 | toYaml | nindent 4 }}
{{- end }}
