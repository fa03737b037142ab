// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// asServers is the other half of a manager.
func (m *leader) asServers() *serverReconciler {
	return &serverReconciler{shared: m.shared, gate: m.lab}
}

// lookAt reconciles one AuthorizationServer until nothing is written any more.
func (m *leader) lookAt(ctx context.Context, server string) {
	GinkgoHelper()
	for range 20 {
		m.cache.refresh(ctx)
		m.lab.loadSnapshot(m.cache)
		before := m.faults.writes
		_, err := m.asServers().Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKey{Name: server}})
		if err == nil && m.faults.writes == before {
			return
		}
		if m.faults.at == 0 {
			Expect(err).NotTo(HaveOccurred())
		}
	}
	Fail("it never settles")
}

var _ = Describe("A manager that looks after an AuthorizationServer", Ordered, func() {
	var (
		l    *lab
		runs int
	)
	BeforeAll(func(ctx context.Context) {
		l = newLab(ctx)
		l.join(ctx)
	})

	begin := func(ctx context.Context) *v1alpha1.AuthorizationServer {
		GinkgoHelper()
		runs++
		as := l.server(fmt.Sprintf("server-%d", runs))
		create(ctx, as)
		return as
	}

	It("may crash between any two writes when one is made and when it goes", func(ctx context.Context) {
		for n := 1; ; n++ {
			as := begin(ctx)
			m := l.elect(ctx)
			m.faults.at, m.faults.mode = n, crash
			for range 5 {
				m.cache.refresh(ctx)
				l.loadAll(ctx)
				_, _ = m.asServers().Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(as)})
			}
			if m.faults.writes >= n { // it has died
				m = l.elect(ctx)
			}
			m.lookAt(ctx, as.Name)
			expectServer(ctx, as, serverIsReady)
			Expect(as.Finalizers).To(Equal([]string{finalizerClients}))
			if m.faults.at > 0 {
				break
			}
		}
		for n := 1; ; n++ {
			as := begin(ctx)
			l.elect(ctx).lookAt(ctx, as.Name)
			Expect(k8s.Delete(ctx, as)).To(Succeed())
			m := l.elect(ctx)
			m.faults.at, m.faults.mode = n, crash
			for range 5 {
				m.cache.refresh(ctx)
				_, _ = m.asServers().Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(as)})
			}
			if m.faults.writes >= n {
				m = l.elect(ctx)
			}
			m.lookAt(ctx, as.Name)
			Expect(gone(ctx, as)()).To(BeTrue())
			Expect(gone(ctx, l.issuerOf(as.Name))()).To(BeTrue())
			if m.faults.at > 0 {
				Expect(n).To(Equal(3), "the record, the finalizer, and no more")
				break
			}
		}
	}, SpecTimeout(time.Minute))

	It("may meet a conflict at every write", func(ctx context.Context) {
		for n := 1; n <= 6; n++ {
			as := begin(ctx)
			m := l.elect(ctx)
			m.faults.at, m.faults.mode = n, conflict
			m.lookAt(ctx, as.Name)
			expectServer(ctx, as, serverIsReady)
			Expect(k8s.Delete(ctx, as)).To(Succeed())
			m.lookAt(ctx, as.Name)
			Expect(gone(ctx, as)()).To(BeTrue())
		}
	}, SpecTimeout(time.Minute))

	It("lets none go because its cache does not have a registration yet", func(ctx context.Context) {
		as := begin(ctx)
		l.elect(ctx).lookAt(ctx, as.Name)
		oc := l.oauthClient("member", on(as.Name))
		create(ctx, oc)
		l.elect(ctx).settle(ctx, oc.Name)
		l.isReadyNow(ctx, oc.Name)
		Expect(k8s.Delete(ctx, as)).To(Succeed())

		m := l.elect(ctx)
		m.cache.refresh(ctx)
		delete(m.cache.objects, client.ObjectKeyFromObject(oc))
		delete(m.cache.objects, client.ObjectKeyFromObject(l.recordOf(oc.Name)))
		result, err := m.asServers().Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(as)})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(staleDelay))
		Expect(gone(ctx, as)()).To(BeFalse())
		Expect(gone(ctx, l.issuerOf(as.Name))()).To(BeFalse())
		m.lookAt(ctx, as.Name)
		expectServer(ctx, as, clientsRemain(l.app+"/member"))
	})
})
