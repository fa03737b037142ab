// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package flood

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store/kube"
	"github.com/clientele-dev/clientele/test/apiserver"
)

const namespace = "clientele-system"

func TestFlood_Kubernetes(t *testing.T) {
	server, err := apiserver.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.End(); err != nil {
			t.Error(err)
		}
	})
	core, err := kubernetes.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := core.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kept, err := kube.New(kube.Config{REST: server.Config, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	run(t, counted{store: kept, count: func(ctx context.Context) (map[string]int, error) { return objects(ctx, server.Config) }})
}

// objects counts all there are in the namespace, of whatever kind.
func objects(ctx context.Context, config *rest.Config) (map[string]int, error) {
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // that some kinds are deprecated
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	all, err := kinds.ServerPreferredNamespacedResources()
	if err != nil {
		return nil, err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, all) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			found, err := client.Resource(version.WithResource(r.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, err
			}
			if n := len(found.Items); n > 0 {
				counts[r.Name] = n
			}
		}
	}
	return counts, nil
}
