// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build stock

package stock

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
	"github.com/clientele-dev/clientele/test/inprocess"
	"github.com/clientele-dev/clientele/test/process"
)

// kubernetesID is the client_id of the cluster. It has no secret: kubectl has one
// only where everybody who may use it knows it.
const kubernetesID = "team.kubernetes"

// cluster is an API server that takes the issuer's ID tokens.
type cluster struct {
	*site

	// program is kubectl, and server where the API server is, with its authority.
	program, server, ca string
	app                 *app
}

// byFlags is how kube-apiserver is told of an issuer by flags.
func byFlags(s *site) apiserver.Option {
	return func(env *envtest.Environment) {
		env.ControlPlane.APIServer.Configure().
			Set("oidc-issuer-url", s.issuer).
			Set("oidc-ca-file", s.file).
			Set("oidc-client-id", kubernetesID).
			Set("oidc-username-claim", "preferred_username").
			Set("oidc-username-prefix", "oidc:").
			Set("oidc-groups-claim", "groups").
			Set("oidc-groups-prefix", "oidc:").
			Set("oidc-signing-algs", "RS256,ES256,PS256")
	}
}

// byFile is how it is told by --authentication-config.
func byFile(t *testing.T, s *site) apiserver.Option {
	t.Helper()
	ca, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: %s
    audiences: [%s]
    certificateAuthority: |
      %s
  claimValidationRules:
  - expression: "!('email_verified' in claims) || claims.email_verified == true"
    message: the address is not verified
  claimMappings:
    username: {claim: preferred_username, prefix: "oidc:"}
    groups: {claim: groups, prefix: "oidc:"}
    uid: {claim: sub}
`, s.issuer, kubernetesID, strings.ReplaceAll(strings.TrimSpace(string(ca)), "\n", "\n      "))
	path := filepath.Join(t.TempDir(), "authentication.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(env *envtest.Environment) {
		env.ControlPlane.APIServer.Configure().Set("authentication-config", path)
	}
}

// kubectl is the one that is installed, or the one that came with the API server.
func kubectl(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"kubectl", filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no kubectl: install it, from version 1.28 on")
	return ""
}

func TestKubeAPIServer(t *testing.T) {
	program := kubectl(t)
	for name, tc := range map[string]struct {
		option func(*testing.T, *site) apiserver.Option
		alg    string
	}{
		"flags":                 {func(_ *testing.T, s *site) apiserver.Option { return byFlags(s) }, "RS256"},
		"authentication-config": {byFile, "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, program, tc.alg, tc.option)
			c.story(t)
		})
	}
}

func newCluster(t *testing.T, program, alg string, option func(*testing.T, *site) apiserver.Option) *cluster {
	t.Helper()
	s := newSite(t)
	c := &cluster{site: s, program: program, app: newApp(t, s)}
	for _, name := range []string{"kubernetes", "wiki"} {
		client := inprocess.Client(name, c.app.url+"/callback", credential.New("unused"))
		client.Public, client.TokenEndpointAuthMethod, client.Digests, client.IDTokenAlg = true, registration.AuthMethodNone, nil, alg
		s.clients = append(s.clients, client)
	}
	s.restart(t)
	server, err := apiserver.New(option(t, s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.End(); err != nil {
			t.Error(err)
		}
	})
	c.server, c.ca = server.Config.Host, filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(c.ca, server.Config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	admin, err := kubernetes.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	allow(t, admin, "oidc:engineering")
	return c
}

// allow lets a group read ConfigMaps.
func allow(t *testing.T, admin *kubernetes.Clientset, group string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "engineers"}
	role := &rbacv1.ClusterRole{
		ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
	}
	if _, err := admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
	}
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// tokens signs the person in to a client.
func (c *cluster) tokens(t *testing.T, clientID string) *oauth2.Token {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: c.transport(t)})
	provider, err := oidc.NewProvider(ctx, c.issuer)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: clientID, Endpoint: provider.Endpoint(), RedirectURL: c.app.url + "/callback", Scopes: strings.Fields(allScopes),
	}
	verifier := oauth2.GenerateVerifier()
	back := c.app.visit(t, c.site, config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	tokens, err := config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (c *cluster) story(t *testing.T) {
	t.Helper()
	tokens := c.tokens(t, kubernetesID)
	id, _ := tokens.Extra("id_token").(string)
	c.knows(t, bearer(id))
	process.Await(t, func() error { // roles take effect some time after they are created
		_, err := c.kubectl(t, bearer(id), "get", "configmaps", "--all-namespaces")
		return err
	})
	if out, err := c.kubectl(t, bearer(id), "get", "secrets", "--all-namespaces"); err == nil || !strings.Contains(out, "Forbidden") {
		t.Errorf("kubectl get secrets: %v, %s", err, out)
	}
	other, _ := c.tokens(t, "team.wiki").Extra("id_token").(string)
	for what, token := range map[string]string{
		"an access token": tokens.AccessToken, "another client's ID token": other, "an ID token that was changed": id[:len(id)-8] + "AAAAAAAA",
	} {
		if out, err := c.kubectl(t, bearer(token), "auth", "whoami"); err == nil || !strings.Contains(out, "Unauthorized") {
			t.Errorf("%s passes: %v, %s", what, err, out)
		}
	}
	c.rotate(t)
	fresh, _ := c.tokens(t, kubernetesID).Extra("id_token").(string)
	c.knows(t, bearer(fresh))
	c.knows(t, bearer(id)) // its key is still published
	c.knows(t, c.refreshing(t, tokens.RefreshToken))
}

// knows expects the API server to know who it is that kubectl runs for.
func (c *cluster) knows(t *testing.T, user []string) {
	t.Helper()
	var got struct {
		Status struct {
			UserInfo struct {
				Username string
				Groups   []string
			}
		}
	}
	process.Await(t, func() error { // it reads the issuer's metadata and keys some time after its start
		out, err := c.kubectl(t, user, "auth", "whoami", "--output=json")
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(out), &got)
	})
	who := got.Status.UserInfo
	if want := "oidc:" + inprocess.Username; who.Username != want {
		t.Errorf("username is %q, want %q", who.Username, want)
	}
	if groups := strings.Join(who.Groups, " "); groups != "oidc:engineering oidc:admins system:authenticated" {
		t.Errorf("groups are %q", groups)
	}
}

// bearer has kubectl send a token.
func bearer(token string) []string { return []string{"--kubeconfig=" + os.DevNull, "--token=" + token} }

// refreshing has kubectl get its ID token itself, by a refresh token.
func (c *cluster) refreshing(t *testing.T, token string) []string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.AuthInfos["ada"] = &clientcmdapi.AuthInfo{AuthProvider: &clientcmdapi.AuthProviderConfig{Name: "oidc", Config: map[string]string{
		"idp-issuer-url": c.issuer, "idp-certificate-authority": c.file, "client-id": kubernetesID, "refresh-token": token,
	}}}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return []string{"--kubeconfig=" + path, "--user=ada"}
}

// kubectl runs it for a user.
func (c *cluster) kubectl(t *testing.T, user []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args = slices.Concat(user, []string{"--server=" + c.server, "--certificate-authority=" + c.ca}, args)
	out, err := exec.CommandContext(ctx, c.program, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(out), err
}
