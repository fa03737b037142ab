// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
)

const sampleSecret = "Zm9vYmFy-sample_secret-0123456789abcdefghij"

// sampleData is what the Secret of a sample in config/samples holds.
func sampleData(t *testing.T, name string) map[string]string {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(apiserver.Root(), "config", "samples", name))
	if err != nil {
		t.Fatal(err)
	}
	oc := &v1alpha1.OAuthClient{}
	if err := yaml.UnmarshalStrict(manifest, oc); err != nil {
		t.Fatal(err)
	}
	oc.Namespace, oc.UID = "docs", "1"
	issuer := &registration.Server{Name: "default", Issuer: "https://login.example.com", Scopes: registration.StandardScopes()}
	want, problem := desiredClient(oc, issuer)
	if problem != nil {
		t.Fatal(problem)
	}
	s := &clientScope{client: oc, want: want, issuer: issuer, secretName: secretName(oc)}
	s.credential = choice{origin: originHeld, value: credential.New(sampleSecret)}
	desired, err := desiredSecret(s)
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]string{}
	for key, value := range desired.Data {
		data[key] = string(value)
	}
	for key, value := range oc.Spec.Secret.Labels {
		if desired.Labels[key] != string(value) {
			t.Errorf("%s: the label %s is missing", name, key)
		}
	}
	return data
}

func expectData(t *testing.T, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s = %q, want %q", key, got[key], value)
		}
	}
}

func TestSample_OAuth2Proxy(t *testing.T) {
	got := sampleData(t, "oauthclient_oauth2-proxy.yaml")
	want := map[string]string{
		"OAUTH2_PROXY_PROVIDER": "oidc", "OAUTH2_PROXY_CLIENT_ID": "docs.oauth2-proxy", "OAUTH2_PROXY_CLIENT_SECRET": sampleSecret,
		"OAUTH2_PROXY_OIDC_ISSUER_URL": "https://login.example.com", "OAUTH2_PROXY_REDIRECT_URL": "https://reports.example.com/oauth2/callback",
		"OAUTH2_PROXY_SCOPE": "openid profile email groups", "OAUTH2_PROXY_CODE_CHALLENGE_METHOD": "S256", ".client_secret": sampleSecret,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSample_Grafana(t *testing.T) {
	expectData(t, sampleData(t, "oauthclient_grafana.yaml"), map[string]string{
		"GF_AUTH_GENERIC_OAUTH_ENABLED": "true", "GF_AUTH_GENERIC_OAUTH_USE_PKCE": "true",
		"GF_AUTH_GENERIC_OAUTH_CLIENT_ID": "docs.grafana", "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET": sampleSecret,
		"GF_AUTH_GENERIC_OAUTH_AUTH_URL":  "https://login.example.com/authorize",
		"GF_AUTH_GENERIC_OAUTH_TOKEN_URL": "https://login.example.com/token",
		"GF_AUTH_GENERIC_OAUTH_API_URL":   "https://login.example.com/userinfo",
		"GF_AUTH_GENERIC_OAUTH_SCOPES":    "openid profile email groups",
	})
}

func TestSample_ArgoCD(t *testing.T) {
	expectData(t, sampleData(t, "oauthclient_argocd.yaml"), map[string]string{
		"oidc.issuer": "https://login.example.com", "oidc.clientID": "docs.argocd", "oidc.clientSecret": sampleSecret,
	})
}

// Spring Boot reads YAML into properties whose names have dots.
func TestSample_Spring(t *testing.T) {
	var file struct {
		Spring struct {
			Security struct {
				OAuth2 struct {
					Client map[string]map[string]map[string]any
				}
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(sampleData(t, "oauthclient_spring.yaml")["oauth.yaml"]), &file); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]map[string]any{
		"registration": {"example": {
			"client-id": "docs.orders", "client-secret": sampleSecret, "client-authentication-method": "client_secret_basic",
			"authorization-grant-type": "authorization_code", "redirect-uri": "https://orders.example.com/login/oauth2/code/example",
			"scope": []any{"openid", "profile", "email"},
		}},
		"provider": {"example": {"issuer-uri": "https://login.example.com"}},
	}
	if got := file.Spring.Security.OAuth2.Client; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A shell is the strictest reader of an env file: it would run what is not quoted.
func TestSample_EnvFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.env")
	if err := os.WriteFile(file, []byte(sampleData(t, "oauthclient_env-file.yaml")["app.env"]), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-eu", "-c", `set -a; . "$0"; env`, file)
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		got[key] = value
	}
	expectData(t, got, map[string]string{
		"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "docs.forum", "OIDC_CLIENT_SECRET": sampleSecret,
		"OIDC_SCOPE": "openid email", "OIDC_REDIRECT_URI_0": "https://forum.example.com/auth/callback",
		"OIDC_REDIRECT_URI_1": "https://forum.example.org/auth/callback",
	})
}

func TestSample_JSONFile(t *testing.T) {
	var got map[string]map[string]any
	if err := json.Unmarshal([]byte(sampleData(t, "oauthclient_json-file.yaml")["client_secrets.json"]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{"web": {
		"application": `Survey "2026"`, "client_id": "docs.survey", "client_secret": sampleSecret,
		"auth_uri": "https://login.example.com/authorize", "token_uri": "https://login.example.com/token",
		"userinfo_uri": "https://login.example.com/userinfo", "issuer": "https://login.example.com",
		"redirect_uris": []any{"https://survey.example.com/callback"}, "scopes": []any{"openid", "profile"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An app with a key of its own finds no client secret in its Secret.
func TestSample_PrivateKeyJWT(t *testing.T) {
	data := sampleData(t, "oauthclient_private-key-jwt.yaml")
	if _, minted := data["client_secret"]; minted || data["client_id"] != "docs.billing" {
		t.Errorf("got %v", data)
	}
}
