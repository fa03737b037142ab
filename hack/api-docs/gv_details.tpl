{{- define "gvDetails" -}}
{{- $gv := . -}}
Resources of `{{ $gv.GroupVersionString }}`:
{{ range $gv.SortedKinds }}
- {{ $gv.TypeForKind . | markdownRenderTypeLink }}
{{- end }}

A field that is not required may be left out; then its default applies. `kubectl explain`
shows the same words.
{{ range $gv.SortedTypes }}{{ template "type" . }}{{ end }}
{{- end -}}
