{{/*
Fails the rendering for what Kubernetes would take and what cannot work or is not safe. What `config` may hold is in
values.schema.json; what spans its keys, `sallyport check` knows.
*/}}
{{- define "sallyport.checks" -}}
{{- if eq (int .Values.ports.gateway) (int .Values.ports.admin) }}
{{- fail "ports.gateway and ports.admin are the same port. The admin port can drain the pod and must not be the one of the Service." }}
{{- end }}
{{- if include "sallyport.decides" . }}
{{- if has (int .Values.ports.decide) (list (int .Values.ports.gateway) (int .Values.ports.admin)) }}
{{- fail "ports.decide is also ports.gateway or ports.admin. Give the proxy that asks a port of its own." }}
{{- end }}
{{- if eq (int .Values.ports.decide) (int .Values.service.port) }}
{{- fail "ports.decide is also service.port. The Service has both: give one of them another port." }}
{{- end }}
{{- end }}
{{- if .Values.existingConfigMap }}
{{- if .Values.config }}
{{- fail (printf "Both `config` and `existingConfigMap: %s` are given. Keep one of them." .Values.existingConfigMap) }}
{{- end }}
{{- else }}
{{- if include "sallyport.decides" . }}
{{- include "sallyport.checkAddress" (dict "key" "config.decide.listen" "value" .Values.config.decide.listen "portKey" "ports.decide" "port" .Values.ports.decide "from" "the proxy comes") }}
{{- if not .Values.config.decide.trustedProxies }}
{{- fail "config.decide.trustedProxies is missing, so that nobody outside the pod may ask. Name the addresses of the proxy, such as [10.0.0.0/8]." }}
{{- end }}
{{- end }}
{{- if not (include "sallyport.serves" .) }}
{{- if or .Values.httpRoute.enabled .Values.ingress.enabled }}
{{- fail "httpRoute and ingress lead traffic to the gateway, which forwards none without config.listen. The proxy that asks has the route; leave both out." }}
{{- end }}
{{- else }}
{{- include "sallyport.checkAddress" (dict "key" "config.listen" "value" .Values.config.listen "portKey" "ports.gateway" "port" .Values.ports.gateway "from" "the Service comes") }}
{{- end }}
{{- $admin := required "config.admin.listen is missing. The probes of Kubernetes ask it: set it to 0.0.0.0:9090." (.Values.config.admin | default dict).listen }}
{{- include "sallyport.checkAddress" (dict "key" "config.admin.listen" "value" $admin "portKey" "ports.admin" "port" .Values.ports.admin "from" "the probes of Kubernetes come") }}
{{- range $id, $upstream := .Values.config.upstreams }}
{{- $url := $upstream }}
{{- if kindIs "map" $upstream }}
{{- $url = $upstream.url }}
{{- end }}
{{- if regexMatch "^(unix:|[a-z0-9]+://(127\\.|localhost(:|/|$)|\\[::1\\]))" (toString $url) }}
{{- fail (printf "config.upstreams.%s is %s, but the gateway has a pod to itself, so nothing else listens there. Name a Service, such as http://%s.%s.svc.cluster.local; for a gateway in the pod of the service there is k8s/components/sidecar." $id $url "orders" $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- range $id, $provider := .Values.config.providers }}
{{- $keys := $provider.keys | default dict }}
{{- $token := $keys.bearerFile | default "" }}
{{- if and (hasPrefix "/var/run/secrets/kubernetes.io/serviceaccount/" $token) (not $.Values.clusterToken.enabled) }}
{{- fail (printf "config.providers.%s.keys.bearerFile is %s, which no volume holds. Set clusterToken.enabled to true." $id $token) }}
{{- end }}
{{- include "sallyport.checkCacheFile" (dict "key" (printf "config.providers.%s.keys.cacheFile" $id) "file" $keys.cacheFile "Values" $.Values) }}
{{- end }}
{{- include "sallyport.checkCacheFile" (dict "key" "config.revocation.cacheFile" "file" (.Values.config.revocation | default dict).cacheFile "Values" .Values) }}
{{- include "sallyport.checkStop" . }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas." }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: name the Gateway." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs ingress.hosts: without a host the Ingress would take the requests of all others." }}
{{- end }}
{{- if and .Values.protectedPods.podSelector (not .Values.protectedPods.ports) }}
{{- fail "protectedPods.podSelector needs protectedPods.ports: the ports of the service that the gateway calls." }}
{{- end }}
{{- if and .Values.protectedPods.ports (not .Values.protectedPods.podSelector) }}
{{- fail "protectedPods.ports needs protectedPods.podSelector: an empty one would select all pods of the namespace." }}
{{- end }}
{{- end }}

{{/* An address of the configuration must have the port of the container, and be in reach from outside the pod. */}}
{{- define "sallyport.checkAddress" -}}
{{- $address := .value }}
{{- if kindIs "map" .value }}
{{- $address = .value.address }}
{{- end }}
{{- if not (contains "${" $address) }}
{{- if hasPrefix "unix:" $address }}
{{- fail (printf "%s is %s, but %s from outside the pod. Set it to 0.0.0.0:%d." .key $address .from (int .port)) }}
{{- end }}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $address }}
{{- fail (printf "%s is %s, which is loopback, but %s from outside the pod. Set it to 0.0.0.0:%d." .key $address .from (int .port)) }}
{{- end }}
{{- if ne (regexFind "[0-9]+$" $address) (toString (int .port)) }}
{{- fail (printf "%s is %s, but %s is %d. Give both the same port." .key $address .portKey (int .port)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The root of the container is read-only, so a file that is written belongs to a volume. */}}
{{- define "sallyport.checkCacheFile" -}}
{{- $file := .file | default "" }}
{{- if and $file (not (contains "${" $file)) }}
{{- $folders := list "/var/cache/sallyport" }}
{{- range .Values.extraVolumeMounts }}
{{- $folders = append $folders .mountPath }}
{{- end }}
{{- $found := false }}
{{- range $folders }}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .)) $file }}
{{- $found = true }}
{{- end }}
{{- end }}
{{- if not $found }}
{{- fail (printf "%s is %s, but no volume is mounted there and the rest is read-only. Put it below /var/cache/sallyport." .key $file) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What stops one after the other must fit into the grace period. */}}
{{- define "sallyport.checkStop" -}}
{{- $timeout := (.Values.config.drain | default dict).timeout | default "30s" }}
{{- if regexMatch "^[0-9]+(ms|s|m|h)$" $timeout }}
{{- $unit := regexFind "(ms|s|m|h)$" $timeout }}
{{- $seconds := mulf (float64 (trimSuffix $unit $timeout)) (get (dict "ms" 0.001 "s" 1 "m" 60 "h" 3600) $unit) }}
{{- if ge (addf $seconds (float64 .Values.preStopSeconds)) (float64 .Values.terminationGracePeriodSeconds) }}
{{- fail (printf "preStopSeconds (%d) and config.drain.timeout (%s) together must be less than terminationGracePeriodSeconds (%d), or requests are cut." (int .Values.preStopSeconds) $timeout (int .Values.terminationGracePeriodSeconds)) }}
{{- end }}
{{- end }}
{{- end }}
