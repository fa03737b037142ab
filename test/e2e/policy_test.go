//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
)

// reports is what an app team applies; HOST stands for that of its redirect URI.
const reports = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthClient
metadata:
  name: reports
  namespace: ` + appNamespace + `
spec:
  authorizationServerRef: {name: e2e-strict}
  redirectURIs: [https://HOST/callback]
`

// foreignID has a client_id of another namespace.
const foreignID = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthClient
metadata:
  name: foreign
  namespace: ` + appNamespace + `
spec:
  clientID: billing.wiki
  redirectURIs: [https://wiki.example.com/callback]
`

var _ = Describe("kubectl apply of an OAuthClient", Ordered, func() {
	strict := &clientelev1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-strict"},
		Spec: clientelev1alpha1.AuthorizationServerSpec{
			Issuer: "https://strict.example.com",
			Policy: &clientelev1alpha1.Policy{Rules: []clientelev1alpha1.PolicyRule{{
				Name: "apps", RedirectHosts: []clientelev1alpha1.HostPattern{"*.apps.example.com"},
			}}},
			IdentityProviders: []clientelev1alpha1.IdentityProvider{{
				Name:       "local",
				LocalUsers: &clientelev1alpha1.LocalUsers{SecretRef: clientelev1alpha1.SecretReference{Name: usersName}},
			}},
		},
	}
	client := &clientelev1alpha1.OAuthClient{ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: "reports"}}
	BeforeAll(func(ctx context.Context) {
		create(ctx, strict)
		DeferCleanup(remove, strict)
		DeferCleanup(remove, client) // before the server, which waits for it
		awaitReady(ctx, strict)
	})
	AfterEach(diagnoseFailure)

	It("is refused, with the way out, where the server's policy does not allow it", func(ctx context.Context) {
		manifest := strings.ReplaceAll(reports, "HOST", "reports.example.com")
		refusal := ContainSubstring("spec.redirectURIs[0]: the host reports.example.com is not among those that rule apps of " +
			"AuthorizationServer e2e-strict allows: *.apps.example.com. Use one of them, or have the platform team add this one " +
			"to redirectHosts of that rule.")
		// The API server follows the AuthorizationServers with a watch.
		Eventually(apply).WithContext(ctx).WithArguments(manifest, "--dry-run=server").Should(refusal)
		Expect(apply(ctx, manifest)).To(refusal)
	})

	It("is accepted where the policy allows it", func(ctx context.Context) {
		Expect(apply(ctx, strings.ReplaceAll(reports, "HOST", "reports.apps.example.com"))).To(ContainSubstring("created"))
		awaitReady(ctx, client)
		Expect(client.Status.AuthorizationServer).To(Equal(strict.Name))
	})

	It("is refused where the client_id belongs to another namespace", func(ctx context.Context) {
		Expect(apply(ctx, foreignID)).To(ContainSubstring(
			"spec.clientID billing.wiki begins like a client_id of namespace billing, and so is kept for that."))
	})
})

// apply is kubectl apply. It returns what a person reads, whether it fails or not.
func apply(ctx context.Context, manifest string, args ...string) string {
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"apply", "-f", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(manifest)
	out, _ := cmd.CombinedOutput()
	return string(out)
}
