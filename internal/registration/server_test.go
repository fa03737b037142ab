// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// plain is a server record that is valid.
func plain() Server {
	return Server{
		Version: Version, UID: "9c4e", Name: "default", Issuer: "https://login.example.com", DisplayName: "Example",
		Scopes: StandardScopes(),
		Lifetimes: Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 15 * time.Minute,
			RefreshToken: 720 * time.Hour, RefreshTokenIdle: 168 * time.Hour,
			RefreshTokenRetryGrace: 10 * time.Second, Session: 12 * time.Hour,
		},
		Signing:           Signing{IDTokenAlg: "RS256", AccessTokenAlg: "ES256", KeyRotationInterval: 720 * time.Hour},
		IdentityProviders: []IdentityProvider{{Name: "local", UsersSecret: "users"}},
	}
}

func TestServer_EncodeAndDecode(t *testing.T) {
	want := plain()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeServer(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeServer(Encode()) = %+v, %v, want %+v", got, err, want)
	}
}

func TestServer_Validate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Server)
		want   string // in the error; empty means valid
	}{
		{"as it is", func(*Server) {}, ""},
		{"no grace", func(s *Server) { s.Lifetimes.RefreshTokenRetryGrace = 0 }, ""},
		{"another version", func(s *Server) { s.Version = 0 }, "version is 0, not 1"},
		{"no name", func(s *Server) { s.Name = "" }, "name or uid is empty"},
		{"a bad issuer", func(s *Server) { s.Issuer = "http://login.example.com" }, "issuer: "},
		{"a bad scope", func(s *Server) { s.Scopes[0].Name = `"` }, "scopes[0]"},
		{"no code lifetime", func(s *Server) { s.Lifetimes.AuthorizationCode = 0 }, "lifetimes.authorizationCode"},
		{"negative grace", func(s *Server) { s.Lifetimes.RefreshTokenRetryGrace = -1 }, "refreshTokenRetryGrace"},
		{"alg none", func(s *Server) { s.Signing.IDTokenAlg = "none" }, "signing.idTokenAlg"},
		{"HS256", func(s *Server) { s.Signing.AccessTokenAlg = "HS256" }, "signing.accessTokenAlg"},
		{"rotation without rest", func(s *Server) { s.Signing.KeyRotationInterval = MinKeyRotationInterval - 1 }, "keyRotationInterval"},
		{"no identity provider", func(s *Server) { s.IdentityProviders = nil }, "identityProviders is empty"},
		{"a nameless one", func(s *Server) { s.IdentityProviders[0].Name = "" }, "identityProviders[0]"},
	} {
		s := plain()
		tt.change(&s)
		switch err := s.Validate(); {
		case tt.want == "" && err != nil:
			t.Errorf("%s: Validate() = %v, want nil", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: Validate() = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func FuzzDecodeServer(f *testing.F) {
	data, err := plain().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeServer(data)
		if err != nil {
			return
		}
		if ValidateIssuer(s.Issuer) != nil {
			t.Fatalf("a record with the issuer %q was accepted", s.Issuer)
		}
		if _, err := s.Encode(); err != nil {
			t.Fatalf("a record that was decoded cannot be encoded: %v", err)
		}
	})
}
