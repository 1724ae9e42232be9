{{/* Names that are contract (central-application-gateway.kyma-system) or design decision 17: not for choice. */}}
{{- define "fairlead.namespace.control" -}}kyma-system{{- end }}
{{- define "fairlead.namespace.egress" -}}fairlead-egress{{- end }}
{{- define "fairlead.namespace.ingress" -}}
{{- with .Values.gateways.ingress.shared }}{{ .namespace }}{{ else }}fairlead-ingress{{ end }}
{{- end }}
{{- define "fairlead.anchor" -}}fairlead-anchor{{- end }}

{{/* Labels of every object. Helm adds its own when it installs. */}}
{{- define "fairlead.labels" -}}
app.kubernetes.io/part-of: fairlead
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Labels by which pods are selected; the context is their name. They never change. */}}
{{- define "fairlead.selector" -}}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: fairlead
{{- end }}

{{/* Labels of pods: (dict "root" $ "name" …). Istio's telemetry asks for `app` and `version`. */}}
{{- define "fairlead.podLabels" -}}
{{ include "fairlead.selector" .name }}
app: {{ .name }}
version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- define "fairlead.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Namespaces that credentials are read from, in their order (decision 1). */}}
{{- define "fairlead.secretNamespaces" -}}
{{ .Values.config.secretNamespaces | default (list "kyma-system" "kyma-integration") | toJson }}
{{- end }}

{{/* fairlead.yaml: what follows from this chart, and over it the values under `config`. */}}
{{- define "fairlead.config" -}}
{{- $service := printf "fairlead-control.%s.svc.%s" (include "fairlead.namespace.control" .) .Values.clusterDomain }}
{{- $shared := .Values.gateways.ingress.shared | default dict }}
{{- $ours := dict
  "stateDirectory" "/var/lib/fairlead/state"
  "secretNamespaces" (include "fairlead.secretNamespaces" . | fromJsonArray)
  "control" (dict
    "address" "0.0.0.0"
    "gatewayPort" 8443
    "internalPort" 8080
    "healthPort" 8081
    "metricsPort" 9090
    "serverName" $service)
  "gateways" (dict "module" "/fairlead.wasm")
  "kubernetes" (dict
    "namespace" (include "fairlead.namespace.control" .)
    "serviceAccount" "fairlead-core"
    "anchor" (include "fairlead.anchor" .)
    "domain" .Values.domain
    "control" (dict "host" $service "port" 8443)
    "module" (dict "url" (printf "http://%s:8080/module" $service))
    "egress" (dict
      "namespace" (include "fairlead.namespace.egress" .)
      "serviceAccount" "fairlead-egress"
      "selector" (dict "istio" "fairlead-egress"))
    "ingress" (dict
      "namespace" (include "fairlead.namespace.ingress" .)
      "serviceAccount" ($shared.serviceAccount | default "fairlead-ingress")
      "selector" ($shared.selector | default (dict "istio" "fairlead-ingress"))
      "serverSecret" (dict "namespace" "istio-system" "name" "kyma-gateway-certs"))) }}
{{- $all := mergeOverwrite $ours (deepCopy .Values.config) }}
{{- range $which := list "egress" "ingress" }}
{{- $wanted := include (printf "fairlead.namespace.%s" $which) $ }}
{{- if ne (dig "kubernetes" $which "namespace" $wanted $all) $wanted }}
{{- fail (printf "config.kubernetes.%s.namespace: the chart installs this gateway in %s; to use one that exists, set gateways.ingress.shared" $which $wanted) }}
{{- end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{/* Where pods run: fields of a pod's specification. */}}
{{- define "fairlead.scheduling" -}}
enableServiceLinks: false
{{- range $field, $value := .Values.pod }}
{{- if $value }}
{{ dict $field $value | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Replicas on different nodes and zones, where there are some. */}}
{{- define "fairlead.spread" -}}
topologySpreadConstraints:
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "fairlead.selector" $ | nindent 8 }}
{{- end }}
{{- end }}

{{/* What no container of ours may do. */}}
{{- define "fairlead.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}
