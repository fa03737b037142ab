// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/authserver/store"
	"github.com/clientele-dev/clientele/authserver/store/storetest"
)

var namespaces atomic.Int64

// namespace makes one that is empty.
func namespace(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("state-%d", namespaces.Add(1))
	_, err := kubernetes.NewForConfigOrDie(server.Config).CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// open returns a Store as one replica has it.
func open(t testing.TB, namespace string, now func() time.Time, changes ...func(*rest.Config)) *Store {
	t.Helper()
	config := rest.CopyConfig(server.Config)
	for _, change := range changes {
		change(config)
	}
	s, err := New(Config{REST: config, Namespace: namespace, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	again := func(t testing.TB, clock *storetest.Clock, old store.Store) store.Store {
		return open(t, old.(*Store).api.namespace, clock.Now)
	}
	storetest.Run(t, storetest.Backend{
		Open: func(t testing.TB, clock *storetest.Clock) store.Store {
			return open(t, namespace(t), clock.Now)
		},
		Reopen: again, Another: again, Durable: true,
		DeleteByHand: func(t testing.TB, s store.Store, issuer, id string) error {
			name := objectName(grantKind, issuer, id)
			return deleteByHand(t, s.(*Store).api.namespace, grantKind, name)
		},
		Count: count,
		Steps: 2000,
	})
}
