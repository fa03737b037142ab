// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// RFC 7636 appendix B.
const (
	appendixBVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	appendixBChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestVerifyPKCE(t *testing.T) {
	tests := []struct {
		name, challenge, verifier string
		want                      bool
	}{
		{"RFC 7636 appendix B", appendixBChallenge, appendixBVerifier, true},
		{"another verifier", appendixBChallenge, strings.Replace(appendixBVerifier, "d", "e", 1), false},
		{"no verifier", appendixBChallenge, "", false},
		{"no challenge", "", appendixBVerifier, false},
		{"neither", "", "", false},
		{"plain", appendixBVerifier, appendixBVerifier, false},
		{"the challenge as verifier", appendixBChallenge, appendixBChallenge, false},
		{"padded challenge", appendixBChallenge + "=", appendixBVerifier, false},
		{"challenge cut short", appendixBChallenge[:42], appendixBVerifier, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := VerifyPKCE(tt.challenge, tt.verifier); got != tt.want {
				t.Errorf("VerifyPKCE = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestValidChallenge(t *testing.T) {
	tests := []struct {
		name, challenge string
		want            bool
	}{
		{"RFC 7636 appendix B", appendixBChallenge, true},
		{"empty", "", false},
		{"a character short", appendixBChallenge[:42], false},
		{"a character more", appendixBChallenge + "A", false},
		{"padded", appendixBChallenge + "=", false},
		{"base64 instead of base64url", strings.ReplaceAll(appendixBChallenge, "-", "+"), false},
		{"bits behind the last byte", appendixBChallenge[:42] + "N", false},
		{"line break inside", appendixBChallenge[:20] + "\n" + appendixBChallenge[20:], false},
		{"line break for a character", appendixBChallenge[:42] + "\n", false},
		{"line break behind", appendixBChallenge + "\r\n", false},
		{"line breaks for characters", appendixBChallenge[:20] + "\r\r\r" + appendixBChallenge[:20], false},
		{"space", appendixBChallenge[:42] + " ", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ValidChallenge(tt.challenge); got != tt.want {
				t.Errorf("ValidChallenge(%q) = %v, want %v", tt.challenge, got, tt.want)
			}
		})
	}
}

func TestValidVerifier(t *testing.T) {
	tests := []struct {
		name, verifier string
		want           bool
	}{
		{"RFC 7636 appendix B", appendixBVerifier, true},
		{"42 characters", strings.Repeat("a", 42), false},
		{"43 characters", strings.Repeat("a", 43), true},
		{"128 characters", strings.Repeat("a", 128), true},
		{"129 characters", strings.Repeat("a", 129), false},
		{"every unreserved character", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", true},
		{"plus", appendixBVerifier + "+", false},
		{"slash", appendixBVerifier + "/", false},
		{"padding", appendixBVerifier + "=", false},
		{"percent", appendixBVerifier + "%41", false},
		{"space", appendixBVerifier + " ", false},
		{"line break", appendixBVerifier + "\n", false},
		{"NUL", appendixBVerifier + "\x00", false},
		{"not ASCII", appendixBVerifier + "é", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ValidVerifier(tt.verifier); got != tt.want {
				t.Errorf("ValidVerifier(%q) = %v, want %v", tt.verifier, got, tt.want)
			}
		})
	}
}

func TestParseScopes(t *testing.T) {
	tests := []struct {
		name, scope string
		want        Scopes
	}{
		{"empty", "", nil},
		{"one", "openid", Scopes{"openid"}},
		{"order is kept", "profile openid email", Scopes{"profile", "openid", "email"}},
		{"twice", "openid email openid", Scopes{"openid", "email"}},
		{"spaces", "  openid   email ", Scopes{"openid", "email"}},
		{"only spaces", "   ", nil},
		{"case matters", "openid OpenID", Scopes{"openid", "OpenID"}},
		// A tab is no separator: what it joins is a scope that nobody has registered.
		{"tab", "openid\temail", Scopes{"openid\temail"}},
		{"plus", "openid+email", Scopes{"openid+email"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseScopes(tt.scope); !slices.Equal(got, tt.want) {
				t.Errorf("ParseScopes(%q) = %q, want %q", tt.scope, got, tt.want)
			}
		})
	}
}

// TestParseScopes_ManyAreCheap: anybody can send a parameter as long as a request
// may be, and comparing each scope with each would take minutes.
func TestParseScopes_ManyAreCheap(t *testing.T) {
	var b strings.Builder
	const n = 100_000
	for i := range n {
		fmt.Fprintf(&b, "%x ", i)
	}
	start := time.Now()
	if got := len(ParseScopes(b.String())); got != n {
		t.Errorf("ParseScopes found %d scopes, want %d", got, n)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("ParseScopes took %v for %d scopes, want time in proportion", took, n)
	}
}

func FuzzParseScopes(f *testing.F) {
	for _, s := range []string{"", "openid", " openid  email openid ", "a\tb", "\x00", "\xff \xfe", strings.Repeat("x ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ParseScopes(s)
		if again := ParseScopes(got.String()); !slices.Equal(again, got) {
			t.Errorf("ParseScopes(%q) = %q, and of its own String %q, want the same", s, got, again)
		}
		for i, scope := range got {
			if scope == "" || strings.Contains(scope, " ") || slices.Contains(got[:i], scope) || !strings.Contains(s, scope) {
				t.Errorf("ParseScopes(%q) = %q, want distinct words of it", s, got)
			}
		}
		for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' }) {
			if !got.Has(word) {
				t.Errorf("ParseScopes(%q) = %q, want %q in it", s, got, word)
			}
		}
		if !got.Covers(got) || !got.Covers(nil) || !slices.Equal(got.Union(got), got) {
			t.Errorf("%q does not cover itself, or has a union with itself that differs", got)
		}
	})
}

func FuzzValidChallenge(f *testing.F) {
	f.Add(appendixBChallenge, appendixBVerifier)
	f.Add(appendixBChallenge+"\n", strings.Repeat("~", 128))
	f.Fuzz(func(t *testing.T, challenge, verifier string) {
		unreserved := func(s string, more string) bool {
			return !strings.ContainsFunc(s, func(r rune) bool {
				return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"+more, r)
			})
		}
		if ValidChallenge(challenge) && (len(challenge) != 43 || !unreserved(challenge, "")) {
			t.Errorf("ValidChallenge(%q) = true", challenge)
		}
		if got, want := ValidVerifier(verifier), len(verifier) >= 43 && len(verifier) <= 128 && unreserved(verifier, ".~"); got != want {
			t.Errorf("ValidVerifier(%q) = %v, want %v", verifier, got, want)
		}
		if VerifyPKCE(challenge, verifier) && !ValidChallenge(challenge) {
			t.Errorf("VerifyPKCE(%q, %q) = true for a malformed challenge", challenge, verifier)
		}
	})
}

func TestScopes_Sets(t *testing.T) {
	s := Scopes{"openid", "email"}
	tests := []struct {
		name  string
		other Scopes
		// covered is whether s covers other; union is the union of both.
		covered bool
		union   Scopes
	}{
		{"nothing", nil, true, s},
		{"itself", s, true, s},
		{"part", Scopes{"email"}, true, s},
		{"more", Scopes{"email", "groups"}, false, Scopes{"openid", "email", "groups"}},
		{"another", Scopes{"groups"}, false, Scopes{"openid", "email", "groups"}},
		{"part of a word", Scopes{"open"}, false, Scopes{"openid", "email", "open"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Covers(tt.other); got != tt.covered {
				t.Errorf("Covers(%q) = %v, want %v", tt.other, got, tt.covered)
			}
			if got := s.Union(tt.other); !slices.Equal(got, tt.union) {
				t.Errorf("Union(%q) = %q, want %q", tt.other, got, tt.union)
			}
		})
	}
}

// TestScopes_UnionDoesNotAlias: a union must not write behind the end of its parts.
func TestScopes_UnionDoesNotAlias(t *testing.T) {
	whole := Scopes{"openid", "email", "groups"}
	part := whole[:1]
	part.Union(Scopes{"profile"})
	if want := (Scopes{"openid", "email", "groups"}); !slices.Equal(whole, want) {
		t.Errorf("after Union, the slice behind is %q, want %q", whole, want)
	}
}

func TestCode_Status(t *testing.T) {
	tests := []struct {
		code Code
		want int
	}{
		{InvalidRequest, http.StatusBadRequest},
		{InvalidClient, http.StatusUnauthorized},
		{InvalidGrant, http.StatusBadRequest},
		{UnauthorizedClient, http.StatusBadRequest},
		{UnsupportedGrantType, http.StatusBadRequest},
		{InvalidScope, http.StatusBadRequest},
		{InvalidToken, http.StatusUnauthorized},
		{InsufficientScope, http.StatusForbidden},
		{ServerError, http.StatusInternalServerError},
		{TemporarilyUnavailable, http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		if got := tt.code.Status(); got != tt.want {
			t.Errorf("%s.Status() = %d, want %d", tt.code, got, tt.want)
		}
	}
}

// TestError_CauseStaysInside: a cause is in the text for the log and in the chain,
// and in no field that is sent.
func TestError_CauseStaysInside(t *testing.T) {
	cause := errors.New("database password is hunter2")
	plain := Errorf(InvalidGrant, "%s is spent", "code")
	e := plain.Because(cause)
	if got, want := e.Error(), "invalid_grant: code is spent: database password is hunter2"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := plain.Error(), "invalid_grant: code is spent"; got != want {
		t.Errorf("Error() of the original = %q, want %q: Because must copy", got, want)
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is not in the chain")
	}
	v := reflect.ValueOf(*e)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && strings.Contains(fmt.Sprint(v.Field(i)), "hunter2") {
			t.Errorf("field %s holds the cause", f.Name)
		}
	}
}
