{{/* Names and labels, as every chart has them. */}}

{{- define "sallyport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sallyport.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "sallyport.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sallyport.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sallyport.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sallyport.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sallyport.doctorLabels" -}}
app.kubernetes.io/name: {{ include "sallyport.name" . | trunc 56 | trimSuffix "-" }}-doctor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sallyport.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sallyport.labels" -}}
{{ include "sallyport.selectorLabels" . }}
{{ include "sallyport.commonLabels" . }}
{{- end }}

{{- define "sallyport.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sallyport.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sallyport.configMapName" -}}
{{- default (include "sallyport.fullname" .) .Values.existingConfigMap }}
{{- end }}

{{- define "sallyport.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- end }}
{{- end }}

{{/* `https` where `config.listen` is a block with `tls`. */}}
{{- define "sallyport.scheme" -}}
{{- if and (not .Values.existingConfigMap) (kindIs "map" .Values.config.listen) (hasKey .Values.config.listen "tls") -}}
https
{{- else -}}
http
{{- end }}
{{- end }}

{{/* Whether the gateway has traffic of its own. What another ConfigMap says is not known here. */}}
{{- define "sallyport.serves" -}}
{{- if or .Values.existingConfigMap .Values.config.listen }}yes{{ end }}
{{- end }}

{{/* Whether another proxy asks it. */}}
{{- define "sallyport.decides" -}}
{{- if and (not .Values.existingConfigMap) .Values.config.decide }}yes{{ end }}
{{- end }}

{{/* What the gateway and the test mount and read. */}}
{{- define "sallyport.env" -}}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sallyport.volumeMounts" -}}
# The whole folder: a file mounted by `subPath` never changes, so no policy would ever be reloaded.
- { name: sallyport-config, mountPath: /etc/sallyport, readOnly: true }
- { name: sallyport-cache, mountPath: /var/cache/sallyport }
{{- if .Values.clusterToken.enabled }}
- { name: sallyport-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end }}
{{- range $index, $secret := .Values.secretMounts }}
- { name: secret-{{ $index }}, mountPath: {{ $secret.mountPath | quote }}, readOnly: true }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sallyport.volumes" -}}
- name: sallyport-config
  configMap: { name: {{ include "sallyport.configMapName" . | quote }} }
# Last-known-good keys (`keys.cacheFile`): the container may restart during an outage of the provider.
- name: sallyport-cache
  emptyDir: { sizeLimit: {{ .Values.cache.sizeLimit | quote }} }
{{- if .Values.clusterToken.enabled }}
- name: sallyport-token
  projected:
    sources:
      # For the API server. The kubelet replaces it in time, and the gateway reads it anew for each fetch.
      - serviceAccountToken: { path: token, expirationSeconds: {{ int .Values.clusterToken.expirationSeconds }} }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- range $index, $secret := .Values.secretMounts }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $secret.name | quote }}
    {{- with $secret.items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
