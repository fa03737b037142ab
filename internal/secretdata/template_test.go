// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func rendered(text string, f Facts) (string, *TemplateError) {
	m, err := Make(f, Shape{Replace: true, Templates: map[string]string{"app.conf": text}})
	if err != nil {
		failed, _ := errors.AsType[*TemplateError](err)
		return "", failed
	}
	return string(m.Data["app.conf"]), nil
}

func TestFunctions_Results(t *testing.T) {
	for text, want := range map[string]string{
		`{{.client_id}} {{.scope}} {{.display_name}}`:                        `docs.wiki openid email Team "Wiki"`,
		`{{b64enc "a?>"}}`:                                                   "YT8+",
		`{{basicAuth "a b" "c:d"}}`:                                          "YStiOmMlM0Fk",
		`{{contains "wiki" .client_id}}`:                                     "true",
		`{{default "none" ""}}{{default "x" .name}}{{default "no" .public}}`: "nonewikino",
		`{{dotenv .display_name}} {{dotenv "a$b"}}`:                          `'Team "Wiki"' 'a$b'`,
		`{{hasPrefix "docs." .client_id}}`:                                   "true",
		`{{hasSuffix "docs." .client_id}}`:                                   "false",
		`{{html "<a>&\""}}`:                                                  "&lt;a&gt;&amp;&#34;",
		`{{join "," .scopes}}`:                                               "openid,email",
		`{{.scopes | join "; "}}`:                                            "openid; email",
		`{{js "a'b"}}`:                                                       `a\'b`,
		`{{lower "Ab"}}{{upper "Ab"}}{{trim " a "}}`:                         "abABa",
		`{{print "a" 1 true 1.5}}`:                                           "a1true1.5",
		`{{println "a" 1}}`:                                                  "a 1\n",
		`{{printf "%s|%5s|%-4s|%q|%03d|%v|%t|%x|%.2f|%%" "a" "b" "c" "d" 7 8 true "e" 1.0}}`: `a|    b|c   |"d"|007|8|true|65|1.00|%`,
		`{{quote "a\"b\n<\u0085\u2028"}}`:                                                                           `"a\"b\n<\u0085\u2028"`,
		`{{replace "." "-" .client_id}}`:                                                                            "docs-wiki",
		`{{toJson .scopes}} {{toJson .name}} {{toJson true}} {{toJson 1}}`:                                          `["openid","email"] "wiki" true 1`,
		`{{urlquery "a b&c"}}`:                                                                                      "a+b%26c",
		`{{range $i, $s := .scopes}}{{if $i}},{{end}}{{$s}}{{end}}`:                                                 "openid,email",
		`{{with .name}}{{.}}{{end}}{{range $.redirect_uris}}{{.}}{{else}}none{{end}}`:                               "wikihttps://wiki.example.com/callback",
		`{{index .redirect_uris 0}} {{len .scopes}} {{slice "abc" 1}}`:                                              "https://wiki.example.com/callback 2 bc",
		`{{if and (eq .name "wiki") (not .public) (or false (lt 1 2))}}yes{{end}}`:                                  "yes",
		`{{range .scopes}}{{range $.redirect_uris}}.{{end}}{{if eq . "openid"}}{{continue}}{{end}}{{break}}{{end}}`: "..",
	} {
		if got, failed := rendered(text, facts()); failed != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", text, got, failed, want)
		}
	}
	f := facts()
	f.Scopes, f.RedirectURIs = nil, nil
	if got, failed := rendered(`{{toJson .scopes}}{{join "," .redirect_uris}}`, f); failed != nil || got != "[]" {
		t.Errorf("empty lists: %q, %v", got, failed)
	}
	if got, failed := rendered(`{{toJson .}}`, facts()); failed != nil || !strings.HasPrefix(got, `{"client_id":"docs.wiki","client_secret":`) {
		t.Errorf("toJson . = %q, %v", got, failed)
	}
}

func TestRender_Mistakes(t *testing.T) {
	for _, tt := range []struct {
		text   string
		line   int
		reason string
	}{
		{"a\n{{.nothing}}", 2, `there is no value "nothing"`},
		{"{{if .nothing}}{{end}}", 1, `there is no value "nothing"`},
		{"\n\n{{.name", 3, "unclosed action"},
		{"{{end}}", 1, "unexpected {{end}}"},
		{"{{if .name}}", 1, "unexpected EOF"},
		{"\n{{env \"HOME\"}}", 2, "there is no function \"env\""},
		{"{{call .name}}", 1, "there is no function \"call\""},
		{"{{\"a\" | printf | call}}", 1, "there is no function \"call\""},
		{"{{define \"x\"}}a{{end}}", 0, "define and block are not supported"},
		{"a\n{{block \"x\" .}}a{{end}}", 0, "define and block are not supported"},
		{"{{define \"t\"}}a{{end}}", 0, "define and block are not supported"},
		{"\n{{template \"t\" .}}", 2, "template is not supported"},
		{"{{if .public}}{{else}}{{template \"t\"}}{{end}}", 1, "template is not supported"},
		{"\n{{range 5}}{{end}}", 2, "range goes over .scopes and .redirect_uris only"},
		{"{{range 1000000000}}{{end}}", 1, "range goes over"},
		{"{{range len .scopes}}{{end}}", 1, "range goes over"},
		{"{{range .}}{{end}}", 1, "range goes over"},
		{"{{range .name}}{{end}}", 1, "range goes over"},
		{"{{range slice .scopes 0 1}}{{end}}", 1, "range goes over"},
		{"{{$n := 5}}{{range $n}}{{end}}", 1, "range goes over"},
		{"{{with 5}}{{range .}}{{end}}{{end}}", 1, "range goes over"},
		{"{{range .scopes}}{{range $.scopes}}\n{{range $.scopes}}{{end}}{{end}}{{end}}", 2, "nested more than twice"},
		{"{{printf \"%*d\" 1000000 1}}", 1, "its format has a %"},
		{"{{printf \"%1000000d\" 1}}", 1, "its format has a %"},
		{"{{printf \"%.999999f\" 1.0}}", 1, "its format has a %"},
		{"{{printf \"%[1]*d\" 5}}", 1, "its format has a %"},
		{"{{printf \"%s\"}}", 1, "not as many verbs"},
		{"{{printf \"%\" 1}}", 1, "its format has a %"},
		{"{{printf \"a\" 1}}", 1, "not as many verbs"},
		{"{{printf \"%d\" .name}}", 1, "does not fit its verb"},
		{"{{print .}}", 1, "takes text"},
		{"{{upper .scopes}}", 1, "takes text"},
		{"{{join \",\" .name}}", 1, "takes a list"},
		{"{{toJson 1i}}", 1, "takes text"},
		{"{{replace \"\" \"a\" .name}}", 1, "is empty"},
		{"{{dotenv \"it's\"}}", 1, "a quote, a backslash or a line break"},
		{"{{dotenv \"a\\nb\"}}", 1, "a quote, a backslash or a line break"},
		{"{{.name.first}}", 1, "can't evaluate field first"},
		{"{{$ = 5}}{{.name}}{{$.name}}", 1, "can't evaluate field name"},
		{"{{index .scopes 99}}", 1, "index out of range"},
		{"{{index .scopes `a\n b`}}", 1, "at <index .scopes `a b`>: error calling index: cannot index slice/array with type string"},
		{strings.Repeat("x", MaxTemplate+1), 0, "longer than 16 KiB"},
	} {
		name := tt.text[:min(len(tt.text), 60)]
		_, failed := rendered(tt.text, facts())
		if failed == nil {
			t.Errorf("%s: is rendered", name)
			continue
		}
		if failed.Key != "app.conf" || failed.Line != tt.line || !strings.Contains(failed.Reason, tt.reason) {
			t.Errorf("%s: got %+v, want line %d and %q", name, failed, tt.line, tt.reason)
		}
		if text := failed.Error(); !strings.Contains(text, "app.conf") || tt.line > 0 && !strings.Contains(text, fmt.Sprintf("line %d", tt.line)) {
			t.Errorf("%s: %q does not name the template and the line", name, text)
		}
	}
	keyed := public()
	keyed.Public = false // it authenticates with a key
	if _, failed := rendered("{{if not .public}}{{.client_secret}}{{end}}", keyed); failed == nil || !strings.Contains(failed.Reason, "private_key_jwt") {
		t.Errorf("the secret of a client with a key: %v", failed)
	}
	if _, failed := rendered("{{.client_secret}}", public()); failed == nil || failed.Reason != "this client has no .client_secret, since it is Public or authenticates with private_key_jwt" {
		t.Errorf("the secret of a Public client: %v", failed)
	}
	f := facts()
	f.Scopes = make([]string, maxList+1)
	if _, failed := rendered("", f); failed == nil || !strings.Contains(failed.Reason, "more than 64") {
		t.Errorf("too many scopes: %v", failed)
	}
}

// Bombs are small templates that would take very long, or very much, if what is
// refused here were not. Nothing is timed: each must be refused before the work.
var bombs = map[string]struct{ text, reason string }{
	"text in loops":       {`{{range .scopes}}{{range $.scopes}}` + strings.Repeat("x", 1000) + `{{end}}{{end}}`, "result is longer"},
	"values in loops":     {`{{range .scopes}}{{range $.scopes}}{{$.client_secret}}{{end}}{{end}}`, "result is longer"},
	"all in loops":        {`{{range .scopes}}{{range $.scopes}}{{$}}{{end}}{{end}}`, "result is longer"},
	"doubling by print":   {`{{$x := "ab"}}` + strings.Repeat(`{{$x = print $x $x}}`, 40), "result is longer"},
	"doubling by println": {`{{$x := "ab"}}` + strings.Repeat(`{{$x = println $x $x}}`, 40), "result is longer"},
	"doubling by printf":  {`{{$x := "ab"}}` + strings.Repeat(`{{$x = printf "%s%s" $x $x}}`, 40), "result is longer"},
	"doubling by join":    {`{{$x := "ab"}}` + strings.Repeat(`{{$x = join $x .scopes}}`, 40), "result is longer"},
	"doubling by replace": {`{{$x := "aaaa"}}` + strings.Repeat(`{{$x = replace "a" $x $x}}`, 40), "result is longer"},
	"doubling by quote":   {`{{$x := "\\\\"}}` + strings.Repeat(`{{$x = quote $x}}`, 40), "result is longer"},
	"doubling by toJson":  {`{{$x := "\\\\"}}` + strings.Repeat(`{{$x = toJson $x}}`, 40), "result is longer"},
	"doubling by b64enc":  {`{{$x := "abcdefghijkl"}}` + strings.Repeat(`{{$x = b64enc $x}}`, 40), "result is longer"},
	"growing by urlquery": {`{{$x := "%%%%%%%%"}}` + strings.Repeat(`{{$x = urlquery (print $x $x)}}`, 40), "result is longer"},
	"growing by html":     {`{{$x := "&&&&&&&&"}}` + strings.Repeat(`{{$x = html (print $x $x)}}`, 40), "result is longer"},
	"growing by js":       {`{{$x := "<<<<<<<<"}}` + strings.Repeat(`{{$x = js (print $x $x)}}`, 40), "result is longer"},
	"growing by basicAuth": {
		`{{$x := "abcdefgh"}}` + strings.Repeat(`{{$x = basicAuth $x $x}}`, 40), "result is longer",
	},
	"growing in a loop": {`{{$x := "ab"}}{{range .scopes}}{{range $.scopes}}{{$x = print $x $x}}{{end}}{{end}}`, "result is longer"},
	"one large replace": {`{{replace "a" (print "` + strings.Repeat("b", 8000) + `") "` + strings.Repeat("a", 8000) + `"}}`, "result is longer"},
	"one large join":    {`{{join "` + strings.Repeat("b", 8000) + `" .scopes}}`, "result is longer"},
	"one large print":   {`{{$x := "` + strings.Repeat("b", 8000) + `"}}{{print` + strings.Repeat(" $x", 2000) + `}}`, "result is longer"},
	"one large printf":  {`{{printf "` + strings.Repeat("%99s", 1000) + `"` + strings.Repeat(" .name", 1000) + `}}`, "result is longer"},
	"many cases": {
		`{{$x := "` + strings.Repeat("b", 8000) + `"}}{{range .scopes}}{{range $.scopes}}{{$y := upper $x}}{{end}}{{end}}`, "too much to do",
	},
	"many questions": {
		`{{$x := "` + strings.Repeat("b", 8000) + `"}}{{range .scopes}}{{range $.scopes}}{{if contains "a" $x}}{{end}}{{end}}{{end}}`, "too much to do",
	},
	"many lists": {`{{range .scopes}}{{range $.scopes}}{{$y := toJson $.scopes}}{{end}}{{end}}`, "too much to do"},
	"many joins": {`{{range .scopes}}{{range $.scopes}}{{$y := join "," $.scopes}}{{end}}{{end}}`, "too much to do"},
	"many steps": {`{{range .scopes}}{{range $.scopes}}` + strings.Repeat(`{{""}}`, 2000) + `{{end}}{{end}}`, "too many steps"},
	"many assignments": {
		`{{$x := ""}}{{range .scopes}}{{range $.scopes}}` + strings.Repeat(`{{$x = ""}}`, 1000) + `{{end}}{{end}}`, "too many steps",
	},
	"many comparisons": {`{{range .scopes}}{{range $.scopes}}{{if eq .` + strings.Repeat(" .", 5000) + `}}{{end}}{{end}}{{end}}`, "too many steps"},
	"many branches": {
		`{{range .scopes}}{{range $.scopes}}` + strings.Repeat(`{{if ""}}{{else}}`, 500) + strings.Repeat(`{{end}}`, 500) + `{{end}}{{end}}`, "too many steps",
	},
	"many loops": {`{{range .scopes}}` + strings.Repeat(`{{range $.scopes}}{{end}}`, 500) + `{{end}}`, "too many steps"},
	"many empty else branches": {
		`{{range .scopes}}{{range $.scopes}}{{range $.redirect_uris}}{{end}}{{end}}{{end}}`, "nested more than twice",
	},
}

// largest are facts with as much in them as there can be.
func largest() Facts {
	f := facts()
	f.Scopes, f.RedirectURIs = nil, nil
	for i := range maxList {
		f.Scopes = append(f.Scopes, fmt.Sprintf("scope-%03d", i))
		f.RedirectURIs = append(f.RedirectURIs, fmt.Sprintf("https://wiki.example.com/%03d", i))
	}
	return f
}

func TestRender_Bombs(t *testing.T) {
	for name, bomb := range bombs {
		if len(bomb.text) > MaxTemplate {
			t.Errorf("%s: has %d bytes, more than a template may have", name, len(bomb.text))
		}
		if _, failed := rendered(bomb.text, largest()); failed == nil || !strings.Contains(failed.Reason, bomb.reason) {
			t.Errorf("%s: got %v, want %q", name, failed, bomb.reason)
		}
	}
}

// What functions are given and give is counted, whichever they are.
func TestFunctions_AllAreCounted(t *testing.T) {
	long := strings.Repeat("b", 4000)
	arguments := map[string]string{
		"basicAuth": "$x $x", "contains": `"a" $x`, "hasPrefix": `"a" $x`, "hasSuffix": `"a" $x`,
		"join": "$x $.scopes", "replace": `"c" "d" $x`, "printf": `"%s" $x`,
		"default": "", // makes nothing
	}
	for name := range functions(&meter{}) {
		args, special := arguments[name]
		if !special {
			args = "$x"
		}
		if args == "" {
			continue
		}
		text := `{{$x := "` + long + `"}}{{range .scopes}}{{range $.scopes}}{{$y := ` + name + ` ` + args + `}}{{end}}{{end}}`
		if name == "join" {
			text = strings.Replace(text, long, "b", 1)
		}
		if _, failed := rendered(text, largest()); failed == nil || !strings.Contains(failed.Reason, "too much to do") {
			t.Errorf("%s: got %v, want it stopped", name, failed)
		}
		if name == "join" {
			continue
		}
		grown := `{{$x := "` + strings.Repeat("b", 8100) + `"}}{{$x = print $x $x}}{{$y := ` + name + ` (print $x $x) "" ""}}`
		if _, failed := rendered(grown, largest()); failed == nil {
			t.Errorf("%s: takes more than 16 KiB", name)
		}
	}
	// Of text/template's own functions none that makes text is left.
	for _, name := range Functions() {
		if _, ours := functions(&meter{})[name]; !ours && slices.Contains([]string{"call", "html", "js", "print", "printf", "println", "urlquery"}, name) {
			t.Errorf("%s is text/template's own", name)
		}
	}
}

// What a template is told never has the secret in it, nor anything that is made of it.
func TestRender_MessagesDoNotTellTheSecret(t *testing.T) {
	const secret = "hunter2hunter2"
	f := facts()
	f.ClientSecret = plaintext(secret)
	for _, text := range []string{
		`{{index .scopes .client_secret}}`, `{{.client_secret.x}}`, `{{printf .client_secret 1}}`, `{{slice .client_secret 0 99}}`,
		`{{(index . .client_secret).x}}`, `{{lt .client_secret 1}}`, `{{join "," .client_secret}}`,
		`{{"` + secret + `" | nothing}}`, `{{` + secret + `}}`, `{{.` + secret + `}}`, `{{index .scopes "` + secret + `"}}`, `{{$` + secret + `}}`,
		`{{if eq .client_secret "` + secret + `"}}{{index .scopes 99}}{{end}}`,
	} {
		_, failed := rendered(text, f)
		if failed == nil {
			t.Errorf("%s: is rendered", text)
			continue
		}
		if strings.Contains(failed.Error(), secret) || strings.Contains(failed.Error(), "hunter") && !strings.Contains(text, secret) {
			t.Errorf("%s: %v", text, failed)
		}
	}
	_, failed := rendered("\n"+`{{if eq .client_secret "`+secret+`"}}{{index .scopes 99}}{{end}}`, f)
	if failed == nil || failed.Reason != generalReason {
		t.Errorf("what fails with the real one only: %v, want %q", failed, generalReason)
	}
	f.ClientSecret = plaintext("it's")
	if _, failed := rendered(`{{dotenv .client_secret}}`, f); failed == nil || failed.Reason != generalReason {
		t.Errorf("a quote in the secret: %v, want %q", failed, generalReason)
	}
}

func FuzzRender(f *testing.F) {
	for _, bomb := range bombs {
		f.Add(bomb.text)
	}
	for _, text := range []string{
		"", "{{.client_secret}}", "{{toJson .}}", "{{range $i, $s := .scopes}}{{$i}}{{end}}", "{{printf \"%5s%%\" .name}}",
		"{{with $x := .client_secret}}{{$x.y}}{{end}}", "{{define \"t\"}}{{template \"t\"}}{{end}}", "{{- /* a */ -}}", "{{break}}",
		"{{dotenv (replace \"a\" \"b\" .client_secret)}}", "{{slice .client_secret 1 2 | quote | js | html}}", "{{1e999}}{{'a'}}{{1i}}{{nil}}",
	} {
		f.Add(text)
	}
	facts := largest()
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Make(facts, Shape{Templates: map[string]string{"app.conf": text}})
		if err != nil {
			if strings.Contains(err.Error(), testSecret) {
				t.Fatalf("the error has the secret in it: %v", err)
			}
			if _, is := errors.AsType[*TemplateError](err); !is {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if n := len(m.Data["app.conf"]); n > MaxResult {
			t.Fatalf("the result has %d bytes", n)
		}
		if string(m.Data[m.SecretKey]) != testSecret {
			t.Fatalf("%s does not hold the secret", m.SecretKey)
		}
	})
}
