{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}
Kubernetes' own: name, labels, annotations.
{{- else -}}
{{ markdownRenderFieldDoc .Doc }}
{{- end -}}
{{- end -}}
