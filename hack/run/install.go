// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kyaml "sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// tokenLifetime is longer than anybody will leave this running.
const tokenLifetime = 30 * 24 * time.Hour

// install makes the namespaces, gives the processes the ServiceAccounts and roles
// that they have in a cluster, and makes the API server refuse what it refuses there,
// from the same files.
func (s *stage) install(ctx context.Context) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	var err error
	if s.client, err = client.NewWithWatch(s.rest, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := s.createAll(ctx, filepath.Join("config", "default", "namespace.yaml")); err != nil {
		return err
	}
	demo := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: demoNamespace}}
	if err := s.client.Create(ctx, demo); err != nil {
		return err
	}
	for _, dir := range []string{"rbac", "admission"} {
		files, err := resources(filepath.Join("config", dir))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := s.createAll(ctx, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// resources are the files of a kustomization.
func resources(dir string) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var k struct {
		Resources []string `json:"resources"`
	}
	if err := kyaml.Unmarshal(raw, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	for i := range k.Resources {
		k.Resources[i] = filepath.Join(dir, k.Resources[i])
	}
	return k.Resources, nil
}

// createAll creates the objects of a file, in the system namespace where they name
// none: the one thing that config/default would change about them.
func (s *stage) createAll(ctx context.Context, file string) error {
	objects, err := decode(file)
	if err != nil {
		return err
	}
	for _, o := range objects {
		namespaced, err := s.client.IsObjectNamespaced(o)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if namespaced && o.GetNamespace() == "" {
			o.SetNamespace(systemNamespace)
		}
		if err := s.client.Create(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// decode reads the YAML documents of a file.
func decode(file string) ([]*unstructured.Unstructured, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []*unstructured.Unstructured
	for dec := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		o := &unstructured.Unstructured{}
		if err := dec.Decode(&o.Object); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

// kubeconfigOf writes a kubeconfig with a token of a ServiceAccount, so that a
// process may do exactly what config/rbac allows it.
func (s *stage) kubeconfigOf(ctx context.Context, account string) (string, error) {
	seconds := int64(tokenLifetime.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account, Namespace: systemNamespace}}
	if err := s.client.SubResource("token").Create(ctx, of, request); err != nil {
		return "", fmt.Errorf("make a token for %s: %w", account, err)
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["run"] = &clientcmdapi.Cluster{Server: s.rest.Host, CertificateAuthorityData: s.rest.CAData}
	c.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	c.Contexts[account] = &clientcmdapi.Context{Cluster: "run", AuthInfo: account, Namespace: systemNamespace}
	c.CurrentContext = account
	path := s.path(account + ".kubeconfig")
	return path, clientcmd.WriteToFile(*c, path)
}

// startClientele starts the two processes.
func (s *stage) startClientele(ctx context.Context) error {
	for _, p := range []struct {
		name string
		args []string
	}{
		{"manager", []string{
			"--namespace=" + systemNamespace,
			"--metrics-bind-address=0",
			"--health-probe-bind-address=0",
		}},
		{"authserver", []string{
			"--namespace=" + systemNamespace,
			"--replica-name=local",
			"--http-address=" + loopback(s.serverPort),
			"--https-address=",
			"--ops-address=" + loopback(0),
			"--shutdown-delay=0s",                  // nobody balances load here
			"--outbound-allow=127.0.0.0/8,::1/128", // where apps are
			"--log-format=text",
		}},
	} {
		kubeconfig, err := s.kubeconfigOf(ctx, p.name)
		if err != nil {
			return err
		}
		if err := s.start(p.name, p.name, append(p.args, "--kubeconfig="+kubeconfig)...); err != nil {
			return err
		}
	}
	return nil
}
