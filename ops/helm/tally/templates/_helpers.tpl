{{/* Of (root, component). */}}
{{- define "tally.name" -}}
{{ printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tally.selector" -}}
app.kubernetes.io/name: tally
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tally.metadata" -}}
name: {{ include "tally.name" . }}
labels:
  {{- include "tally.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "tally.bringsValkey" -}}
{{- if not (or .Values.redis.url .Values.redis.external) }}yes{{ end }}
{{- end }}

{{- define "tally.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What all programs are told. A change of it replaces their pods. */}}
{{- define "tally.settings" -}}
{{- $told := dict
  "KAFKA_BOOTSTRAP_SERVERS" (required "kafka.bootstrapServers: name your Kafka, as in kafka.example.com:9092" .Values.kafka.bootstrapServers)
  "KAFKA_TOPIC_PREFIX" .Values.kafka.topicPrefix
  "ACCEPT_SINK" (ternary "kafka" "redis" .Values.eventMode)
  "COUNTERS" (join "," .Values.counters)
  "REDIS_BUCKETS" .Values.buckets
  "PROMETHEUS_MULTIPROC_DIR" "/run/tally/metrics"
  "METRICS_PORT" 9464
}}
{{- if include "tally.bringsValkey" . }}
{{- $_ := set $told "REDIS_URL" (printf "redis://%s:6379/0" (include "tally.name" (dict "root" . "component" "valkey"))) }}
{{- else if .Values.redis.url }}
{{- $_ := set $told "REDIS_URL" .Values.redis.url }}
{{- end }}
{{- range .Values.secret.keys }}
{{- $_ := set $told (printf "%s_FILE" .) (printf "/run/secrets/tally/%s" .) }}
{{- end }}
{{- range $name, $value := merge (deepCopy .Values.settings) $told }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{/* The template of pods of (root, component): a program of Tally's. Its `more` is in the container. */}}
{{- define "tally.pod" -}}
metadata:
  labels:
    {{- include "tally.selector" . | nindent 4 }}
  {{- with .port }}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ . | quote }}
  {{- end }}
spec:
  serviceAccountName: {{ .root.Release.Name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 60
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  topologySpreadConstraints:
    - topologyKey: kubernetes.io/hostname
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "tally.selector" . | nindent 10 }}
  containers:
    - name: {{ .component }}
      image: {{ include "tally.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .component }}]
      env:
        {{- include "tally.settings" .root | nindent 8 }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- with .more }}
      {{- . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml (index .root.Values .component).resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: secrets, mountPath: /run/secrets/tally, readOnly: true}
        - {name: run, mountPath: /run/tally}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: secrets
      secret: {secretName: {{ .root.Values.secret.name }}, defaultMode: 0440}
    - name: run
      emptyDir: {medium: Memory, sizeLimit: 64Mi}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "tally.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "tally.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "tally.selector" . | nindent 6 }}
{{- end }}
