// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type plaintext string

func (p plaintext) Reveal() string { return string(p) }

const testSecret = "q7Xc_0aZ-minted-form-abcdefghijklmnopqrstu1"

// facts are those of a Confidential client.
func facts() Facts {
	return Facts{
		Namespace: "docs", Name: "wiki", DisplayName: `Team "Wiki"`, ClientID: "docs.wiki",
		ClientSecret: plaintext(testSecret), Issuer: "https://login.example.com",
		Endpoints:    map[string]string{"token_endpoint": "https://login.example.com/token", "jwks_uri": "https://login.example.com/jwks"},
		Scopes:       []string{"openid", "email"},
		RedirectURIs: []string{"https://wiki.example.com/callback"},
	}
}

func public() Facts {
	f := facts()
	f.ClientSecret, f.Public = nil, true
	return f
}

// made is what Make gives, as text.
func made(t *testing.T, f Facts, s Shape) (map[string]string, string) {
	t.Helper()
	m, err := Make(f, s)
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]string{}
	for key, value := range m.Data {
		data[key] = string(value)
	}
	if got, want := m.Keys(), slices.Sorted(maps.Keys(data)); !slices.Equal(got, want) {
		t.Errorf("Keys() = %v, want %v", got, want)
	}
	return data, m.SecretKey
}

func TestMake(t *testing.T) {
	const configuration = "https://login.example.com/.well-known/openid-configuration"
	all := map[string]string{
		"client_id": "docs.wiki", "client_secret": testSecret, "issuer": "https://login.example.com",
		"openid_configuration": configuration, "scope": "openid email",
		"token_endpoint": "https://login.example.com/token", "jwks_uri": "https://login.example.com/jwks",
	}
	but := func(change func(map[string]string)) map[string]string {
		m := maps.Clone(all)
		change(m)
		return m
	}
	for _, tt := range []struct {
		name      string
		facts     Facts
		shape     Shape
		want      map[string]string
		secretKey string
	}{
		{"as it is", facts(), Shape{}, all, "client_secret"},
		{"public", public(), Shape{}, but(func(m map[string]string) { delete(m, "client_secret") }), ""},
		{
			"renamed", facts(), Shape{Keys: map[string]string{"client_id": "ID", "client_secret": "SECRET", "end_session_endpoint": "LOGOUT"}},
			but(func(m map[string]string) {
				delete(m, "client_id")
				delete(m, "client_secret")
				m["ID"], m["SECRET"] = "docs.wiki", testSecret
			}), "SECRET",
		},
		{
			"swapped", facts(), Shape{Keys: map[string]string{"client_id": "issuer", "issuer": "client_id"}},
			but(func(m map[string]string) { m["client_id"], m["issuer"] = m["issuer"], m["client_id"] }), "client_secret",
		},
		{
			"merged", facts(), Shape{Templates: map[string]string{"a": "{{.name}}/{{.namespace}}", "scope": "mine"}},
			but(func(m map[string]string) { m["a"], m["scope"] = "wiki/docs", "mine" }), "client_secret",
		},
		{
			"a template in the secret's place", facts(), Shape{Templates: map[string]string{"client_secret": "{{upper .client_secret}}"}},
			but(func(m map[string]string) {
				m["client_secret"], m[".client_secret"] = strings.ToUpper(testSecret), testSecret
			}), ".client_secret",
		},
		{
			"a template where a renamed key was", facts(), Shape{Keys: map[string]string{"scope": "SCOPE"}, Templates: map[string]string{"scope": "mine"}},
			but(func(m map[string]string) { m["SCOPE"], m["scope"] = m["scope"], "mine" }), "client_secret",
		},
		{
			"replaced", facts(), Shape{Replace: true, Keys: map[string]string{"client_id": "a"}, Templates: map[string]string{"a": "{{.client_id}}"}},
			map[string]string{"a": "docs.wiki", ".client_secret": testSecret}, ".client_secret",
		},
		{
			"replaced, public", public(), Shape{Replace: true, Templates: map[string]string{"a": "{{if .public}}yes{{end}}"}},
			map[string]string{"a": "yes"}, "",
		},
	} {
		got, key := made(t, tt.facts, tt.shape)
		if !reflect.DeepEqual(got, tt.want) || key != tt.secretKey {
			t.Errorf("%s: got %v with the secret under %q, want %v under %q", tt.name, got, key, tt.want, tt.secretKey)
		}
	}
}

func TestMake_KeysMeantTwice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shape Shape
		want  KeyError
	}{
		{"one name for two", Shape{Keys: map[string]string{"client_id": "X", "issuer": "X"}}, KeyError{"X", "client_id", "issuer"}},
		{"another's name", Shape{Keys: map[string]string{"scope": "issuer"}}, KeyError{"issuer", "issuer", "scope"}},
		{"a template's", Shape{Keys: map[string]string{"scope": "X"}, Templates: map[string]string{"X": ""}}, KeyError{"X", "scope", ""}},
		{"that of a template in another's place", Shape{Keys: map[string]string{"scope": "issuer"}, Templates: map[string]string{"issuer": ""}}, KeyError{"issuer", "scope", ""}},
	} {
		_, err := Make(facts(), tt.shape)
		got, is := errors.AsType[*KeyError](err)
		if !is || *got != tt.want {
			t.Errorf("%s: got %v, want %+v", tt.name, err, tt.want)
			continue
		}
		if text := err.Error(); !strings.Contains(text, tt.want.Key) || !strings.Contains(text, tt.want.BuiltIn) || !strings.Contains(text, tt.want.Other) {
			t.Errorf("%s: %q does not name both", tt.name, text)
		}
	}
}

func TestMake_TooLarge(t *testing.T) {
	s := Shape{Templates: map[string]string{}}
	for i := range 17 {
		s.Templates[fmt.Sprint("key-", i)] = strings.Repeat("x", MaxTemplate-16)
	}
	if _, err := Make(facts(), s); !errors.Is(err, ErrTooLarge) {
		t.Errorf("17 times 16 KiB: got %v, want %v", err, ErrTooLarge)
	}
	delete(s.Templates, "key-0")
	delete(s.Templates, "key-1")
	if _, err := Make(facts(), s); err != nil {
		t.Errorf("15 times 16 KiB: %v", err)
	}
}

func BenchmarkMake(b *testing.B) {
	for name, s := range map[string]Shape{
		"built-in": {},
		"renamed":  {Keys: map[string]string{"client_id": "ID", "client_secret": "SECRET"}},
		"six templates": {Templates: map[string]string{
			"a": "ID={{dotenv .client_id}}\nSECRET={{dotenv .client_secret}}\n{{range .scopes}}{{.}} {{end}}", "b": "{{toJson .}}",
			"c": "{{quote .issuer}}", "d": "{{join \",\" .scopes}}", "e": "{{.client_id}}", "f": "{{.token_endpoint}}",
		}},
		"as much work as there can be": {Replace: true, Templates: map[string]string{
			"a": `{{$x := ""}}{{range .scopes}}` + strings.Repeat(`{{$x = .}}`, 70) + `{{end}}`,
		}},
	} {
		b.Run(name, func(b *testing.B) {
			f := facts()
			f.Scopes = slices.Repeat([]string{"openid"}, maxList)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Make(f, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
