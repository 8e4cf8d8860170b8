{{/* Everything that templates share. Names follow the release: with the usual `csp` they are
csp-gateway, csp-worker-keys and so on. */}}

{{- define "csp.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels that find a component's pods: (list $ "gateway"). */}}
{{- define "csp.selector" -}}
app.kubernetes.io/name: csp
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "csp.labels" -}}
{{ include "csp.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
app.kubernetes.io/part-of: csp
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end }}

{{/* (list $ .Values.gateway.image): registry/repository:tag@digest. */}}
{{- define "csp.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}:{{ $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "csp.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The namespaces that are served, as a JSON object of their tenants. */}}
{{- define "csp.tenants" -}}
{{- .Values.tenants | default (dict .Release.Namespace "local") | toJson }}
{{- end }}

{{/* Where sessions that come through the API get their AgentSession. */}}
{{- define "csp.homeNamespace" -}}
{{- $tenants := include "csp.tenants" . | fromJson }}
{{- ternary .Release.Namespace (keys $tenants | sortAlpha | first) (hasKey $tenants .Release.Namespace) }}
{{- end }}

{{- define "csp.defaultPool" -}}
{{- ternary "default" (keys .Values.pools | sortAlpha | first | default "default") (hasKey .Values.pools "default") }}
{{- end }}

{{/* What the `restricted` Pod Security Standard asks of a pod. */}}
{{- define "csp.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "csp.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* (list $ .Values.gateway.resources) */}}
{{- define "csp.resources" -}}
resources:
{{- range $kind := list "requests" "limits" }}
  {{- $amounts := dict }}
  {{- range $name, $amount := index $ $kind }}{{ if $amount }}{{ $_ := set $amounts $name $amount }}{{ end }}{{ end }}
  {{- if $amounts }}
  {{ $kind }}: {{ toJson $amounts }}
  {{- end }}
{{- end }}
{{- end }}

{{/* (list $ "gateway" .Values.gateway): what values say about where pods run. Replicas spread over
nodes and zones where the cluster has several. */}}
{{- define "csp.placement" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toJson . }}
{{- end }}
topologySpreadConstraints:
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "csp.selector" (list $root $component) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{/* (list $ "gateway" .Values.gateway (dict of annotations)). No version here: pods are replaced when
what they run has changed, not with every release of the chart. */}}
{{- define "csp.podMeta" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 }}
labels:
  {{- include "csp.selector" (list $root $component) | nindent 2 }}
  app.kubernetes.io/part-of: csp
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ $component }}
  {{- range $name, $value := merge (dict) $values.podAnnotations (index . 3) }}
  {{ $name }}: {{ $value | quote }}
  {{- end }}
{{- end }}

{{/* Plain settings: (list $ "CSP_" (dict of the chart's) (dict of the user's, which win)). The text
begins the names of the component's log settings. */}}
{{- define "csp.env" -}}
{{- $log := (index . 0).Values.log }}
{{- $common := dict "HOME" "/tmp" (printf "%sLOG_LEVEL" (index . 1)) $log.level (printf "%sLOG_FORMAT" (index . 1)) $log.format }}
{{- range $name, $value := merge (dict) (index . 3) (index . 2) $common }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "csp.databaseSecret" -}}
{{ .Values.database.existingSecret | default (printf "%s-database" (include "csp.name" .)) }}
{{- end }}

{{- define "csp.redisSecret" -}}
{{ .Values.redis.existingSecret | default (printf "%s-redis" (include "csp.name" .)) }}
{{- end }}

{{- define "csp.signingSecret" -}}
{{ .Values.signingKey.existingSecret | default (printf "%s-signing-key" (include "csp.name" .)) }}
{{- end }}

{{- define "csp.databaseEnv" -}}
- name: CSP_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ include "csp.databaseSecret" . }}, key: url}
{{- end }}

{{- define "csp.redisEnv" -}}
- name: CSP_REDIS_URL
  valueFrom:
    secretKeyRef: {name: {{ include "csp.redisSecret" . }}, key: url}
{{- end }}

{{/* Where checkpoints of working directories go. */}}
{{- define "csp.objectsEnv" -}}
{{- with .Values.objects }}
{{- if .url }}
- name: CSP_OBJECTS_URL
  value: {{ .url | quote }}
{{- with .endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- if hasPrefix "http://" . }}
- name: AWS_ALLOW_HTTP
  value: "true"
{{- end }}
{{- end }}
{{- with .region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: access-key-id}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: secret-access-key}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the scripted model answers: as long as nobody named a key or an address. */}}
{{- define "csp.scripted" -}}
{{- if not (or .Values.model.apiKey .Values.model.existingSecret .Values.model.upstreamUrl) }}true{{ end }}
{{- end }}

{{/* What a Secret of the release holds under a key, or nothing: (list $ "name" "key"). */}}
{{- define "csp.kept" -}}
{{- $root := index . 0 }}
{{- $secret := lookup "v1" "Secret" $root.Release.Namespace (index . 1) }}
{{- with $secret }}{{ with index (.data | default dict) (index $ 2) }}{{ b64dec . }}{{ end }}{{ end }}
{{- end }}

{{/* A new Ed25519 key pair as a private JWK. Helm can make the private key; the public half is read
out of a certificate for it, where it follows the bytes that announce an Ed25519 key. */}}
{{- define "csp.newJwk" -}}
{{- $pem := genPrivateKey "ed25519" }}
{{- $certificate := (genCAWithKey "csp" 1 $pem).Cert }}
{{- $seed := substr 16 48 (include "csp.der" $pem | b64dec) }}
{{- $spki := index (splitList (b64dec "MCowBQYDK2VwAyEA") (include "csp.der" $certificate | b64dec)) 1 }}
{{- $x := include "csp.base64url" (substr 0 32 $spki) }}
{{- dict "kty" "OKP" "crv" "Ed25519" "alg" "EdDSA" "use" "sig" "kid" (sha256sum $x | trunc 12) "x" $x "d" (include "csp.base64url" $seed) | toJson }}
{{- end }}

{{/* The base64 in a PEM text. */}}
{{- define "csp.der" -}}
{{ regexReplaceAll "-----[A-Z ]+-----|\\s" . "" }}
{{- end }}

{{- define "csp.base64url" -}}
{{ b64enc . | replace "+" "-" | replace "/" "_" | replace "=" "" }}
{{- end }}
