// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/person"
	"github.com/clientele-dev/clientele/test/process"
)

// apacheModules is where Debian keeps them.
const apacheModules = "/usr/lib/apache2/modules"

// apache is a site that mod_auth_openidc guards, in front of an application that
// knows nothing of OpenID Connect.
type apache struct {
	*site

	dir, url string
	port     int
	client   registration.Client
	secret   string
	browser  *person.Browser
}

// newApache makes everything but the server's part that its users write.
func newApache(t *testing.T) *apache {
	t.Helper()
	if _, err := exec.LookPath("apache2"); err != nil {
		t.Fatal("there is no Apache: install it (Debian: apt-get install apache2-bin)")
	}
	if _, err := os.Stat(filepath.Join(apacheModules, "mod_auth_openidc.so")); err != nil {
		t.Fatal("there is no mod_auth_openidc: install it (Debian: apt-get install libapache2-mod-auth-openidc)")
	}
	s := newSite(t)
	a := &apache{site: s, dir: s.dir, port: process.FreePort(t), secret: "a-secret-of-256-bits-would-look-like-this-1"}
	a.url = "https://localhost:" + strconv.Itoa(a.port)
	a.client = inprocess.Client("wiki", a.url+"/oidc/callback", credential.New(a.secret))
	a.client.PostLogoutRedirectURIs = []string{a.url + "/open/bye"}
	key, leaf := s.leaf(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(a.dir, "server.crt"), &pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
	write(t, filepath.Join(a.dir, "server.key"), &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if a.browser, err = person.New(s.transport(t)); err != nil {
		t.Fatal(err)
	}
	return a
}

// openidc is what users of the module write, with lines of a test's own.
func (a *apache) openidc(own ...string) string {
	return fmt.Sprintf(`
OIDCProviderMetadataURL %s/.well-known/openid-configuration
OIDCClientID %s
OIDCClientSecret %s
OIDCRedirectURI %s/oidc/callback
OIDCCryptoPassphrase a-passphrase-of-the-site
OIDCScope "openid profile email groups offline_access"
OIDCRemoteUserClaim email
OIDCPassRefreshToken On
OIDCPassIDTokenAs claims serialized
%s
<Location />
	AuthType openid-connect
	Require claim groups:engineering
</Location>
<Location /oidc/callback>
	<RequireAny>
		Require valid-user
		Require expr "%%{QUERY_STRING} == 'jwks=rsa'"
	</RequireAny>
</Location>
<Location /forbidden>
	Require claim groups:nobody
</Location>
<Location /open>
	AuthType None
	Require all granted
</Location>
`, a.issuer, a.client.ClientID, a.secret, a.url, strings.Join(own, "\n"))
}

// start runs Apache until the test's end.
func (a *apache) start(t *testing.T, own ...string) {
	t.Helper()
	a.register(t, a.client)
	backend := httptest.NewServer(http.HandlerFunc(tellHeaders))
	t.Cleanup(backend.Close)
	if err := os.WriteFile(filepath.Join(a.dir, "openidc.conf"), []byte(a.openidc(own...)), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs("testdata/apache/httpd.conf")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-f", config, "-DFOREGROUND"}
	if os.Geteuid() == 0 {
		args = append(args, "-DROOT")
	}
	cmd := exec.CommandContext(t.Context(), "apache2", args...)
	cmd.Env = append(os.Environ(), "DIR="+a.dir, "PORT="+strconv.Itoa(a.port), "MODULES="+apacheModules, "BACKEND="+backend.URL)
	cmd.Stderr = t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
		if log, err := os.ReadFile(filepath.Join(a.dir, "error.log")); err == nil && t.Failed() {
			t.Logf("%s", log)
		}
	})
	var dialer net.Dialer
	process.Await(t, func() error {
		conn, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(a.port))
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// tellHeaders is the application.
func tellHeaders(w http.ResponseWriter, r *http.Request) {
	all := map[string]string{"path": r.URL.Path}
	for name := range r.Header {
		all[strings.ToLower(strings.ReplaceAll(name, "-", "_"))] = r.Header.Get(name)
	}
	_ = json.NewEncoder(w).Encode(all)
}

// visit has the person open a page of the site, and do what other pages ask for.
// It returns what the application was told.
func (a *apache) visit(t *testing.T, path string) map[string]string {
	t.Helper()
	page := a.open(t, a.url+path)
	var told map[string]string
	if err := json.Unmarshal([]byte(page.Body), &told); err != nil || page.Status != http.StatusOK {
		t.Fatalf("at %s with %d: %s", page.URL.Redacted(), page.Status, page.Body)
	}
	return told
}

func (a *apache) open(t *testing.T, to string) *person.Page {
	t.Helper()
	page, err := a.browser.SignIn(t.Context(), to, inprocess.Username, inprocess.Password)
	if err != nil {
		t.Fatal(err)
	}
	if form, ok := page.Form("state"); ok { // form_post
		if page, err = a.browser.Submit(t.Context(), form, nil); err != nil {
			t.Fatal(err)
		}
	}
	return page
}

func TestModAuthOpenIDC(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*registration.Client)
		own    []string
	}{
		"as it comes, without PKCE": {change: func(c *registration.Client) { c.PKCERequired = false }},
		"client_secret_post, PKCE, form_post": {
			change: func(c *registration.Client) { c.TokenEndpointAuthMethod = registration.AuthMethodPost },
			own: []string{
				"OIDCProviderTokenEndpointAuth client_secret_post", "OIDCPKCEMethod S256", "OIDCResponseMode form_post",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApache(t)
			tc.change(&a.client)
			a.start(t, tc.own...)
			a.story(t)
		})
	}
}

// The module publishes its keys itself, where the server fetches them.
func TestModAuthOpenIDC_PrivateKeyJWT(t *testing.T) {
	a := newApache(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(a.dir, "client.pub"), &pem.Block{Type: "PUBLIC KEY", Bytes: public})
	write(t, filepath.Join(a.dir, "client.key"), &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	a.client.TokenEndpointAuthMethod, a.client.Digests = registration.AuthMethodPrivateKeyJWT, nil
	a.client.JWKSURI = a.url + "/oidc/callback?jwks=rsa"
	a.start(t, "OIDCPKCEMethod S256",
		"OIDCPublicKeyFiles wiki#"+filepath.Join(a.dir, "client.pub"), "OIDCPrivateKeyFiles wiki#"+filepath.Join(a.dir, "client.key"),
		"OIDCProviderTokenEndpointAuth private_key_jwt") // which it knows only after the keys
	a.story(t)
}

func TestModAuthOpenIDC_BackchannelLogout(t *testing.T) {
	a := newApache(t)
	a.client.BackchannelLogoutURI = a.url + "/oidc/callback?logout=backchannel"
	a.start(t, "OIDCPKCEMethod S256")
	a.visit(t, "/page")
	page, err := a.browser.Open(t.Context(), a.issuer+registration.PathEndSession)
	if err != nil {
		t.Fatal(err)
	}
	form, ok := page.Form("decision")
	if !ok {
		t.Fatalf("signing out shows %s", page.Body)
	}
	if _, err := a.browser.Submit(t.Context(), form, map[string]string{"decision": "leave"}); err != nil {
		t.Fatal(err)
	}
	process.Await(t, func() error { return a.asksWho(t) }) // the person has told the issuer alone, and it tells the site in the background
}

// asksWho is nil if the site does not know any more who the person is.
func (a *apache) asksWho(t *testing.T) error {
	page, err := a.browser.Open(t.Context(), a.url+"/page")
	if err != nil {
		return err
	}
	if _, asked := page.Form("password"); !asked {
		return fmt.Errorf("the person is not asked to sign in: at %s with %d", page.URL.Redacted(), page.Status)
	}
	return nil
}

// story has the person sign in, come back, and sign out.
func (a *apache) story(t *testing.T) {
	t.Helper()
	told := a.visit(t, "/page")
	for name, want := range map[string]string{
		"path": "/page", "oidc_claim_iss": a.issuer, "oidc_claim_aud": a.client.ClientID, "oidc_claim_name": inprocess.Name,
		"oidc_claim_email": inprocess.Email, "oidc_claim_groups": "engineering,admins",
	} {
		if told[name] != want {
			t.Errorf("%s is %q, want %q", name, told[name], want)
		}
	}
	if page := a.open(t, a.url+"/forbidden/page"); page.Status != http.StatusUnauthorized && page.Status != http.StatusForbidden {
		t.Errorf("who is not in the group gets %d", page.Status)
	}
	fresh := a.refresh(t, told)
	a.rotate(t)
	fresh = a.refresh(t, fresh)
	a.signOut(t, fresh)
}

// refresh has the module get new tokens, by its refresh hook.
func (a *apache) refresh(t *testing.T, told map[string]string) map[string]string {
	t.Helper()
	q := url.Values{"refresh": {a.url + "/page"}, "access_token": {told["oidc_access_token"]}}
	page := a.open(t, a.url+"/oidc/callback?"+q.Encode())
	fresh := a.visit(t, "/page")
	for _, name := range []string{"oidc_access_token", "oidc_refresh_token"} {
		if fresh[name] == "" || fresh[name] == told[name] {
			t.Errorf("after a refresh, which ended at %s, %s is what it was: %v", page.URL.Redacted(), name, fresh[name] != "")
		}
	}
	return fresh
}

// signOut has the module sign out, which revokes tokens as well.
func (a *apache) signOut(t *testing.T, told map[string]string) {
	t.Helper()
	if !a.active(t, told["oidc_access_token"]) {
		t.Error("the access token is not active")
	}
	page := a.open(t, a.url+"/oidc/callback?"+url.Values{"logout": {a.url + "/open/bye"}}.Encode())
	if got := page.URL.String(); got != a.url+"/open/bye" {
		t.Errorf("after signing out the person is at %s", got)
	}
	if a.active(t, told["oidc_access_token"]) {
		t.Error("the access token is still active")
	}
	if err := a.asksWho(t); err != nil {
		t.Error(err)
	}
}

// active asks the issuer whether it still takes a token.
func (a *apache) active(t *testing.T, token string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.issuer+registration.PathUserinfo, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := a.transport(t).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("userinfo is %d", res.StatusCode)
	}
	return res.StatusCode == http.StatusOK
}
