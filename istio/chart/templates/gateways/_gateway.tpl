{{/* Ports of the egress gateway, as workloads know them (AG §1). */}}
{{- define "fairlead.egressPorts" -}}
- {name: http-proxy, port: 8080, targetPort: 8080}
- {name: http-proxy-mps, port: 8082, targetPort: 8082}
- {name: http-api-port, port: 8081, targetPort: 8081}
{{- end }}

{{/*
One gateway: (dict "root" $ "name" "egress" "of" its values "ports" its containers' ports).
Istio injects the proxy and its probes; here is only what Istio does not know.
*/}}
{{- define "fairlead.gateway" -}}
{{- $root := .root }}
{{- $name := printf "fairlead-%s" .name }}
{{- $namespace := include (printf "fairlead.namespace.%s" .name) $root }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "fairlead.labels" $root | nindent 4 }}
    app.kubernetes.io/component: gateway
---
# Istio gives a gateway a Secret only if the gateway itself may list them where it runs.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "fairlead.labels" $root | nindent 4 }}
    app.kubernetes.io/component: gateway
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "fairlead.labels" $root | nindent 4 }}
    app.kubernetes.io/component: gateway
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ $namespace }}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "fairlead.labels" $root | nindent 4 }}
    app.kubernetes.io/component: gateway
spec:
  replicas: {{ .of.replicas }}
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{- include "fairlead.selector" $name | nindent 6 }}
  template:
    metadata:
      labels: {{- include "fairlead.podLabels" (dict "root" $root "name" $name) | nindent 8 }}
        app.kubernetes.io/component: gateway
        istio: {{ $name }}
        sidecar.istio.io/inject: "true"
        {{- with $root.Values.istio.revision }}
        istio.io/rev: {{ . }}
        {{- end }}
      annotations:
        inject.istio.io/templates: gateway
        proxy.istio.io/config: |
          concurrency: {{ $root.Values.gateways.workers }}
          terminationDrainDuration: 20s
          {{- /* Labels of the plugin's metrics (wire: metrics::LABELS); a test in a mesh sees them. */}}
          extraStatTags: [view, application, service, entry, reason, outcome]
          {{- /* As the embedded gateways' bootstrap has it (render: bootstrap::runtime); a test compares them. */}}
          runtimeValues:
            http.async_response_buffer_limit: "8388608"
    spec:
      serviceAccountName: {{ $name }}
      terminationGracePeriodSeconds: 30
      {{- include "fairlead.scheduling" $root | nindent 6 }}
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      {{- include "fairlead.spread" $name | nindent 6 }}
      containers:
        - name: istio-proxy
          # Replaced when Istio injects.
          image: auto
          ports:
            {{- range .ports }}
            - containerPort: {{ . }}
            {{- end }}
            - {name: http-envoy-prom, containerPort: 15090}
          resources: {{- toYaml .of.resources | nindent 12 }}
          securityContext: {{- include "fairlead.containerSecurity" $root | nindent 12 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "fairlead.labels" $root | nindent 4 }}
    app.kubernetes.io/component: gateway
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "fairlead.selector" $name | nindent 6 }}
{{- end }}
