//go:build e2e

// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clientelev1alpha1 "github.com/clientele-dev/clientele/api/v1alpha1"
)

const (
	serverName  = "e2e"
	issuer      = "https://authserver.clientele-system.svc.cluster.local"
	clientName  = "wiki"
	redirectURI = "https://wiki.example.com/callback"
	personName  = "alice"

	caName      = "authserver-ca"
	usersName   = "e2e-users"
	loginPatron = "person"

	// firstWait is for the kubelet, which brings a new Secret into a running Pod
	// with its next look at the Pod: a minute or two later, unless configured.
	firstWait    = 2 * time.Minute
	loginTimeout = firstWait + time.Minute
)

// createPrerequisites makes what a platform team makes, and the app's namespace.
func createPrerequisites(ctx context.Context) {
	GinkgoHelper()
	password := rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	Expect(err).NotTo(HaveOccurred())
	ca, cert, key := serverCertificate("authserver." + systemNamespace + ".svc.cluster.local")

	create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "authserver-tls"},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key},
	})
	create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: usersName},
		StringData: map[string]string{"users.yaml": fmt.Sprintf(
			"[{username: %s, passwordHash: %q, name: Alice Example, email: alice@example.com, emailVerified: true, groups: [engineers]}]",
			personName, hash)},
	})
	create(ctx, &clientelev1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: serverName},
		Spec: clientelev1alpha1.AuthorizationServerSpec{
			Issuer:  issuer,
			Default: true,
			IdentityProviders: []clientelev1alpha1.IdentityProvider{{
				Name:       "local",
				LocalUsers: &clientelev1alpha1.LocalUsers{SecretRef: clientelev1alpha1.SecretReference{Name: usersName}},
			}},
		},
	})
	create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   appNamespace,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: caName},
		Data:       map[string]string{"ca.crt": string(ca)},
	})
	create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: loginPatron},
		StringData: map[string]string{"username": personName, "password": password},
	})
}

// oauthClient is the client of all specs, but for its name.
func oauthClient(name string) *clientelev1alpha1.OAuthClient {
	return &clientelev1alpha1.OAuthClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: name},
		Spec: clientelev1alpha1.OAuthClientSpec{
			DisplayName:  "Team Wiki",
			RedirectURIs: []clientelev1alpha1.RedirectURI{redirectURI},
			Scopes:       []clientelev1alpha1.Scope{"openid", "profile", "email", "groups", "offline_access"},
		},
	}
}

// loginPod is an app as restricted as a namespace can ask for. It trusts the
// server's CA, mounts the Secret with the credentials, and runs the login client with
// args.
func loginPod(credentials string, args []string) *corev1.Pod {
	mount := func(name string) corev1.VolumeMount {
		return corev1.VolumeMount{Name: name, MountPath: "/" + name, ReadOnly: true}
	}
	secret := func(volume, name string) corev1.Volume {
		return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: name},
		}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, GenerateName: "login-"},
		Spec: corev1.PodSpec{
			RestartPolicy:                corev1.RestartPolicyNever,
			AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:   new(true),
				RunAsUser:      new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name:    "app",
				Image:   clientImage,
				Command: []string{"/loginclient"},
				Args:    append([]string{"-credentials=/credentials", "-person=/person", "-redirect-uri=" + redirectURI}, args...),
				Env:     []corev1.EnvVar{{Name: "SSL_CERT_FILE", Value: "/ca/ca.crt"}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false),
					ReadOnlyRootFilesystem:   new(true),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				VolumeMounts: []corev1.VolumeMount{mount("credentials"), mount("person"), mount("ca")},
			}},
			Volumes: []corev1.Volume{
				secret("credentials", credentials),
				secret("person", loginPatron),
				{Name: "ca", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
					LocalObjectReference: corev1.LocalObjectReference{Name: caName},
				}}},
			},
		},
	}
}
