// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// brought makes the text's hash the only digest of a client.
func brought(t *testing.T, text string) func(*registration.Client) {
	t.Helper()
	hash, err := credential.New(text).Hash(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return func(r *registration.Client) { r.Digests = []registration.Digest{{Argon2id: hash}} }
}

// TestClientAuth_Brought: a secret that a person chose may have characters that
// form-urlencoding changes, and clients differ in whether they encode.
func TestClientAuth_Brought(t *testing.T) {
	const secret = "100%41+ sure: it's a secret/=&"
	w := newWorld(t)
	w.secrets.add("client_secret", secret)
	w.addClient("old", brought(t, secret))
	w.addClient("poster", func(r *registration.Client) {
		brought(t, secret)(r)
		r.TokenEndpointAuthMethod = "client_secret_post"
	})
	for name, authorization := range map[string]string{
		"encoded":     basic("docs.old", url.QueryEscape(secret)),
		"not encoded": basic("docs.old", secret),
	} {
		r := w.tokenRequest(mainIssuer, "", "", redemption("x"))
		r.Header.Set("Authorization", authorization)
		if a := w.call(r); a.status != 400 || !strings.Contains(a.body, "invalid_grant") {
			t.Errorf("%s: status %d, %s", name, a.status, a.body)
		}
	}
	form := with(redemption("x"), "client_id", "docs.poster")
	form.Set("client_secret", secret)
	w.call(w.tokenRequest(mainIssuer, "", "", form)).refused(400, "invalid_grant")

	one := w.tokenAs("docs.old", secret+"x", redemption("x")).refused(401, "invalid_client")
	two := w.tokenAs("docs.nobody", secret+"x", redemption("x")).refused(401, "invalid_client")
	if one.body != two.body {
		t.Errorf("a wrong secret is told %s, an unknown client %s", one.body, two.body)
	}
}

// TestClientAuth_OddClientID: an id of one's own may have them, too, and is never
// taken for another's.
func TestClientAuth_OddClientID(t *testing.T) {
	w := newWorld(t)
	w.addClient("plus", func(r *registration.Client) { r.ClientID = "docs+plus%2F" })
	w.addClient("slash", func(r *registration.Client) { r.ClientID = "docs/slash" })
	w.addClient("literal", func(r *registration.Client) { r.ClientID = "docs%2Fslash" })
	secretOf := func(name string) string { return name + wikiSecret[4:] }
	for _, tt := range []struct {
		name, header, id, want string
	}{
		{"encoded", basic(url.QueryEscape("docs+plus%2F"), secretOf("plus")), "", "invalid_grant"},
		{"not encoded", basic("docs+plus%2F", secretOf("plus")), "", "invalid_grant"},
		{"encoded, looks like another's", basic("docs%2Fslash", secretOf("slash")), "", "invalid_grant"},
		{"not encoded, looks like another's", basic("docs%2Fslash", secretOf("literal")), "", "invalid_grant"},
		{"and the body names it", basic("docs%2Fslash", secretOf("literal")), "docs%2Fslash", "invalid_grant"},
		{"the body names another", basic("docs%2Fslash", secretOf("slash")), "docs%2Fslash", "invalid_client"},
		{"another's secret", basic("docs%2Fslash", secretOf("plus")), "", "invalid_client"},
	} {
		form := redemption("x")
		if tt.id != "" {
			form.Set("client_id", tt.id)
		}
		r := w.tokenRequest(mainIssuer, "", "", form)
		r.Header.Set("Authorization", tt.header)
		if a := w.call(r); !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, a.body, tt.want)
		}
	}
}

// TestClientAuth_SlowOnce: the slow comparison happens once for each secret.
func TestClientAuth_SlowOnce(t *testing.T) {
	w := newWorld(t)
	slow := 0
	w.server.slow = registry.NewVerifier(func(s credential.Secret, hash string) bool {
		slow++
		return hash == "hash of "+s.Reveal()
	})
	w.addClient("old", func(r *registration.Client) { r.Digests = []registration.Digest{{Argon2id: "hash of theirs"}} })
	for range 3 {
		w.tokenAs("docs.old", "theirs", redemption("x")).refused(400, "invalid_grant")
		w.tokenAs("docs.old", "wrong", redemption("x")).refused(401, "invalid_client")
	}
	if slow != 2 {
		t.Errorf("%d slow comparisons, want 2", slow)
	}
}

// TestClientAuth_Busy: who cannot be answered now is told to come back.
func TestClientAuth_Busy(t *testing.T) {
	w := newWorld(t)
	gate, entered := make(chan struct{}), make(chan struct{}, 100)
	w.server.slow = registry.NewVerifier(func(credential.Secret, string) bool {
		entered <- struct{}{}
		<-gate
		return false
	})
	w.addClient("old", func(r *registration.Client) { r.Digests = []registration.Digest{{Argon2id: "hash"}} })
	const flood = 20
	answers := make(chan answer, flood)
	for i := range flood {
		go func() { answers <- w.tokenAs("docs.old", strings.Repeat("x", i+1), redemption("x")) }()
	}
	<-entered
	for range flood - 4 {
		a := <-answers
		a.refused(503, "temporarily_unavailable")
		if a.header.Get("Retry-After") != "5" {
			t.Errorf("headers are %v", a.header)
		}
	}
	w.tokenAs("docs.wiki", wikiSecret, redemption("x")).refused(400, "invalid_grant")
	close(gate)
	for range 4 {
		(<-answers).refused(401, "invalid_client")
	}
}

// TestClientAuth_Used: every secret that proved a client is reported, and no other.
func TestClientAuth_Used(t *testing.T) {
	w := newWorld(t)
	var used []string
	w.server.used = func(id string) { used = append(used, id) }
	w.addClient("spa", public)
	wiki := clientRecord("wiki", nil).Digests[0].ID()
	w.tokenAs("docs.wiki", wikiSecret, redemption("x")).refused(400, "invalid_grant")
	w.tokenAs("docs.wiki", wikiSecret+"x", redemption("x")).refused(401, "invalid_client")
	w.tokenAs("docs.nobody", wikiSecret, redemption("x")).refused(401, "invalid_client")
	form := redemption("x")
	form.Set("client_id", "docs.spa")
	w.call(w.tokenRequest(mainIssuer, "", "", form)).refused(400, "invalid_grant")
	w.tokenAs("docs.wiki", wikiSecret, redemption("x")).refused(400, "invalid_grant")
	if !slices.Equal(used, []string{wiki, wiki}) {
		t.Errorf("used are %q, want %q twice", used, wiki)
	}
}
