{{/* The chart's name. */}}
{{- define "rayllm.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of all objects: at most 50 characters, so that a suffix still fits a label's value. */}}
{{- define "rayllm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "rayllm.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rayllm.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rayllm.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rayllm.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rayllm.labels" -}}
{{- $chart := printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $own := dict "helm.sh/chart" $chart "app.kubernetes.io/version" .Chart.AppVersion "app.kubernetes.io/managed-by" .Release.Service -}}
{{- merge (include "rayllm.selectorLabels" . | fromYaml) $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "rayllm.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rayllm.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false: set serviceAccount.name" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image: (list context image default-tag). */}}
{{- define "rayllm.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}{{- $tag := index . 2 -}}
{{- $registry := required "registry is not set: nobody publishes the images; build and push them with `make images push REGISTRY=...`, then set registry" $root.Values.registry -}}
{{- $name := printf "%s/%s" ($registry | trimSuffix "/") $image.repository -}}
{{- if $image.digest -}}{{ $name }}@{{ $image.digest }}{{- else -}}{{ $name }}:{{ default $tag $image.tag }}{{- end -}}
{{- end -}}

{{/* An engine image's tag: the chart's version and what is in the image. */}}
{{- define "rayllm.engineTag" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- printf "%s-ray%s-vllm%s" $root.Chart.AppVersion $image.ray $image.vllm -}}
{{- end -}}

{{/* Environment variables of all models' pods. */}}
{{- define "rayllm.modelEnv" -}}
{{- $env := list -}}
{{- range $name, $value := dict "HF_ENDPOINT" .Values.models.huggingFaceEndpoint "HTTP_PROXY" .Values.models.proxy.http "HTTPS_PROXY" .Values.models.proxy.https "NO_PROXY" .Values.models.proxy.none -}}
{{- if $value -}}{{- $env = append $env (dict "name" $name "value" $value) -}}{{- end -}}
{{- end -}}
{{- concat $env .Values.models.env | toJson -}}
{{- end -}}

{{/* The operator's configuration. */}}
{{- define "rayllm.configuration" -}}
{{- $root := . -}}
{{- $engines := list -}}
{{- range .Values.engine.images -}}
{{- $tag := include "rayllm.engineTag" (list $root .) -}}
{{- $engines = append $engines (dict "image" (include "rayllm.image" (list $root . $tag)) "ray" .ray "vllm" .vllm) -}}
{{- end -}}
{{- $own := dict "engines" $engines "operatorNamespace" .Release.Namespace -}}
{{- with include "rayllm.modelEnv" . | fromJsonArray -}}{{- $_ := set $own "env" . -}}{{- end -}}
{{- with .Values.engine.imagePullSecrets -}}{{- $_ := set $own "imagePullSecrets" . -}}{{- end -}}
{{- with .Values.engine.allowedRegistries -}}{{- $_ := set $own "allowedImageRegistries" . -}}{{- end -}}
{{- merge $own (deepCopy .Values.configuration) | toYaml -}}
{{- end -}}
