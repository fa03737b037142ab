{{- define "type" -}}
{{- $type := . -}}
{{- if markdownShouldRenderType $type }}
## {{ $type.Name }}

{{ $type.Doc }}
{{ if $type.IsAlias }}
A {{ markdownRenderTypeLink $type.UnderlyingType }}{{ if $type.Validation }}:
{{ range $type.Validation }}
- {{ . }}
{{- end }}
{{- end }}
{{ end }}
{{- if $type.References }}
Used in {{ range $i, $r := $type.SortedReferences }}{{ if $i }}, {{ end }}{{ markdownRenderTypeLink $r }}{{ end }}.
{{ end }}
{{- if $type.Members }}
| Field | Meaning | Default | Limits |
| --- | --- | --- | --- |
{{ range $type.Members -}}
| `{{ .Name }}` _{{ markdownRenderType .Type }}_ | {{ template "type_members" . }} | {{ markdownRenderDefault .Default }} | {{ template "limits" . }} |
{{ end -}}
{{ end -}}
{{- if $type.EnumValues }}
| Value | Meaning |
| --- | --- |
{{ range $type.EnumValues -}}
| `{{ .Name }}` | {{ markdownRenderFieldDoc .Doc }} |
{{ end -}}
{{ end -}}
{{- end -}}
{{- end -}}

{{- define "limits" -}}
{{- range .Validation -}}
{{- if eq . "Required: {}" }}required<br />{{ else if ne . "Optional: {}" }}{{ markdownRenderFieldDoc . }}<br />{{ end -}}
{{- end -}}
{{- end -}}
