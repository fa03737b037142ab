// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

const (
	// limitNamespace is where nobody looks at what is written.
	limitNamespace = "limit"
	// limitClients is how many clients' writes are enough to measure the limit with.
	limitClients = 1000
	// limitWorkers is at which concurrency the API server takes most.
	limitWorkers = 8
	// limitWrites is how many writes there are for one client.
	limitWrites = 7
)

// limit measures how many writes per second the API server takes, of the kinds and
// sizes that one OAuthClient causes: itself, its record, its Secret, two patches of
// its status and two events.
func (st *stage) limit(ctx context.Context, clients int) (float64, error) {
	if err := st.writeClients(ctx, "warm", clients/10); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := st.writeClients(ctx, "client", clients); err != nil {
		return 0, err
	}
	rate := float64(clients*limitWrites) / time.Since(began).Seconds()
	st.say("The API server takes %.0f writes/s at concurrency %d: creates of OAuthClients (1 of %d), Secrets (2) and events (2), and patches of status (2).",
		rate, limitWorkers, limitWrites)
	// The manager would find them.
	return rate, st.DeleteAllOf(ctx, &v1alpha1.OAuthClient{}, client.InNamespace(limitNamespace))
}

func (st *stage) writeClients(ctx context.Context, prefix string, n int) error {
	return each(n, limitWorkers, func(i int) error {
		return st.writeClient(ctx, fmt.Sprintf("%s-%05d", prefix, i))
	})
}

// writeClient writes what the manager would.
func (st *stage) writeClient(ctx context.Context, name string) error {
	oc := oauthClient(limitNamespace, name)
	if err := st.Create(ctx, oc); err != nil {
		return err
	}
	if err := st.Create(ctx, secretOf(oc, "-record", map[string]int{"client.json": 620})); err != nil {
		return err
	}
	if err := st.patchStatus(ctx, oc, metav1.ConditionFalse); err != nil {
		return err
	}
	if err := st.Create(ctx, secretOf(oc, "", map[string]int{
		"client_id": 16, "client_secret": 43, "issuer": 25, "openid_configuration": 60, "authorization_endpoint": 35,
		"token_endpoint": 31, "userinfo_endpoint": 34, "jwks_uri": 30, "end_session_endpoint": 32, "scope": 20,
	})); err != nil {
		return err
	}
	if err := st.patchStatus(ctx, oc, metav1.ConditionTrue); err != nil {
		return err
	}
	for _, reason := range []string{"CredentialsMinted", "Registered"} {
		if err := st.Create(ctx, eventOf(oc, reason)); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) patchStatus(ctx context.Context, oc *v1alpha1.OAuthClient, status metav1.ConditionStatus) error {
	old := oc.DeepCopy()
	oc.Status.ClientID, oc.Status.SecretName, oc.Status.ObservedGeneration = oc.Namespace+"."+oc.Name, oc.Name, oc.Generation
	oc.Status.Conditions = nil
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionCredentialsReady, v1alpha1.ConditionRegistered, v1alpha1.ConditionReady} {
		oc.Status.Conditions = append(oc.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: "Measured", Message: string(bytes.Repeat([]byte("x"), 80)),
			ObservedGeneration: oc.Generation, LastTransitionTime: metav1.Now(),
		})
	}
	return st.Status().Patch(ctx, oc, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{}))
}

// oauthClient is what an app team would apply.
func oauthClient(namespace, name string) *v1alpha1.OAuthClient {
	host := "https://" + name + ".example.com"
	return &v1alpha1.OAuthClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.OAuthClientSpec{
			DisplayName:  "The app " + name,
			RedirectURIs: []v1alpha1.RedirectURI{v1alpha1.RedirectURI(host + "/callback"), v1alpha1.RedirectURI(host + "/oauth2/callback")},
			Scopes:       []v1alpha1.Scope{"openid", "profile", "email", "groups"},
		},
	}
}

// secretOf is a Secret with values of those lengths.
func secretOf(oc *v1alpha1.OAuthClient, suffix string, lengths map[string]int) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: oc.Namespace, Name: oc.Name + suffix,
			Labels:      map[string]string{"app.kubernetes.io/managed-by": "bench", "clientele.dev/measured": "credentials"},
			Annotations: map[string]string{"clientele.dev/measured": oc.Namespace + "/" + oc.Name},
		},
		Data: map[string][]byte{},
	}
	for key, n := range lengths {
		s.Data[key] = bytes.Repeat([]byte("x"), n)
	}
	return s
}

func eventOf(oc *v1alpha1.OAuthClient, reason string) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: oc.Namespace, Name: oc.Name + "." + strings.ToLower(reason)},
		EventTime:  metav1.NowMicro(), ReportingController: "clientele-manager", ReportingInstance: "clientele-manager-bench",
		Action: "Register", Reason: reason, Type: corev1.EventTypeNormal,
		Regarding: corev1.ObjectReference{Kind: "OAuthClient", APIVersion: v1alpha1.GroupVersion.String(), Namespace: oc.Namespace, Name: oc.Name, UID: oc.UID},
		Note:      "Registered with AuthorizationServer main as apps.client-00000.",
	}
}

// each calls do for every number below n, with that many workers at once, and
// returns the first error.
func each(n, workers int, do func(i int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	failed := make([]error, workers)
	for w := range workers {
		all.Go(func() {
			for failed[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed[w] = do(i)
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
