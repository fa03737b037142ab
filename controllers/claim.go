// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// A client_id names one client of an AuthorizationServer. Whoever is registered with
// it keeps it; of those who only ask for it, the oldest OAuthClient gets it. Two
// things come between deciding and a record that everybody sees: other workers of
// this process, which the reservations tell, and an earlier leader whose write came
// late. Then there are two records, of which the younger one is taken back.

// claimDelay is when to look again whether another client of this process still
// reserves a client_id.
const claimDelay = time.Minute

// claimed is what only one client can have.
type claimed struct{ server, clientID string }

// String is a key that no other claimed has: the name of a server has no slash.
func (c claimed) String() string { return c.server + "/" + c.clientID }

// registrant is what of a record matters to others.
type registrant struct {
	Namespace           string `json:"namespace"`
	Name                string `json:"name"`
	AuthorizationServer string `json:"authorizationServer"`
	ClientID            string `json:"clientID"`
	Withdrawn           bool   `json:"withdrawn"`
}

func (r registrant) claimed() claimed { return claimed{r.AuthorizationServer, r.ClientID} }

func (r registrant) key() types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}

func claimBy(want registration.Client) claimed {
	return claimed{want.AuthorizationServer, want.ClientID}
}

// registrantOf reads who is registered by a record. It is false for an object that
// is none, and for one whose client is withdrawn and so has nothing.
func registrantOf(o client.Object) (registrant, bool) {
	record, is := o.(*corev1.Secret)
	if !is || record.Labels[registration.LabelRecord] != registration.RecordClient {
		return registrant{}, false
	}
	var r registrant
	err := json.Unmarshal(record.Data[registration.KeyClient], &r)
	return r, err == nil && !r.Withdrawn && r.AuthorizationServer != ""
}

// claim is a problem if another OAuthClient of the same server has the client_id of
// want, or is to have it.
func (r *clientReconciler) claim(ctx context.Context, s *clientScope, want registration.Client) error {
	if other, is := namespaceOf(want.ClientID); is && other != want.Namespace {
		return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonInvalidSpec,
			"spec.clientID %s begins like a client_id of namespace %s, and so is kept for that. Create this OAuthClient anew, in that namespace or with another spec.clientID.", want.ClientID, other)
	}
	records, err := r.recordsWith(ctx, claimBy(want))
	if err != nil {
		return err
	}
	switch {
	case len(records) == 0:
		return r.reserve(ctx, s, want)
	case records[0].Name == registration.ClientRecordName(want.Namespace, want.Name):
		r.claims.forget(s.key())
		return nil
	}
	if err := r.takeBack(ctx, s, &records[0]); err != nil {
		return err
	}
	first, _ := registrantOf(&records[0])
	return taken(want, first.key())
}

// taken says who has the client_id of want.
func taken(want registration.Client, by types.NamespacedName) *problem {
	return refused(v1alpha1.ConditionAccepted, v1alpha1.ReasonClientIDTaken,
		"OAuthClient %s has the client_id %s at AuthorizationServer %s already, and the first to have it keeps it. Create this OAuthClient anew with another spec.clientID or without one, name another AuthorizationServer in spec.authorizationServerRef, or have %s deleted.",
		by, want.ClientID, want.AuthorizationServer, by)
}

// namespaceOf is the namespace that a client_id begins like: a name that a namespace
// can have, and a dot.
func namespaceOf(clientID string) (string, bool) {
	name, _, dotted := strings.Cut(clientID, ".")
	return name, dotted && len(name) <= 63 && dnsLabel.MatchString(name)
}

// dnsLabel is RFC 1123's, which the name of a namespace is.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// recordsWith are the records that claim what, in the order in which the authserver
// decides between them.
func (r *clientReconciler) recordsWith(ctx context.Context, what claimed) ([]corev1.Secret, error) {
	list := &corev1.SecretList{}
	err := r.cached.List(ctx, list, client.InNamespace(r.Namespace), client.MatchingFields{indexClaim: what.String()})
	slices.SortFunc(list.Items, func(a, b corev1.Secret) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return list.Items, err
}

// takeBack deletes the record of a client whose client_id an older record claims,
// too. One that claims something else, such as what was accepted before, stays.
func (r *clientReconciler) takeBack(ctx context.Context, s *clientScope, first *corev1.Secret) error {
	if s.record == nil {
		return nil
	}
	has, _ := registrantOf(first)
	if mine, is := registrantOf(s.record); !is || mine.claimed() != has.claimed() {
		return nil
	}
	live := &corev1.Secret{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(first), live); client.IgnoreNotFound(err) != nil {
		return err
	}
	if still, is := registrantOf(live); !is || still.claimed() != has.claimed() {
		return errStale
	}
	if err := r.secrets().delete(ctx, s.record); err != nil {
		return err
	}
	s.record, s.published = nil, nil
	return nil
}

// reserve claims what nobody is registered with, unless a rival comes first.
func (r *clientReconciler) reserve(ctx context.Context, s *clientScope, want registration.Client) error {
	what := claimBy(want)
	same := &v1alpha1.OAuthClientList{}
	servers := &v1alpha1.AuthorizationServerList{}
	if err := r.cached.List(ctx, same, client.MatchingFields{indexClientID: what.clientID}, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	if err := r.cached.List(ctx, servers, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range same.Items {
		rival := &same.Items[i]
		if rival.UID != s.client.UID && asksFor(rival, what, servers.Items) && !otherwiseRefused(rival) && first(rival, s.client) {
			return taken(want, client.ObjectKeyFromObject(rival))
		}
	}
	holder, got := r.claims.take(what, s.key(), func(holder types.NamespacedName) bool {
		rival := &v1alpha1.OAuthClient{}
		return r.cached.Get(ctx, holder, rival) == nil && asksFor(rival, what, servers.Items)
	})
	if !got {
		// Its record, or its status, comes as a rule within a second and wakes us.
		return taken(want, holder).within(claimDelay)
	}
	return nil
}

// asksFor reports whether oc is to have what, by its spec.
func asksFor(oc *v1alpha1.OAuthClient, what claimed, servers []v1alpha1.AuthorizationServer) bool {
	if oc.DeletionTimestamp != nil || clientID(oc) != what.clientID {
		return false
	}
	server, problem := chooseServer(servers, serverRef(oc), "")
	return problem == nil && server.Name == what.server
}

// otherwiseRefused reports whether oc would not get its client_id even if it were
// free. So nobody can keep an id from others with a client that policy forbids.
func otherwiseRefused(oc *v1alpha1.OAuthClient) bool {
	c := apimeta.FindStatusCondition(oc.Status.Conditions, v1alpha1.ConditionAccepted)
	return c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == oc.Generation &&
		c.Reason != v1alpha1.ReasonClientIDTaken
}

// first reports whether a was created before b; by namespace and name if that was at
// once.
func first(a, b *v1alpha1.OAuthClient) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) < 0
}

// claims are reserved by clients of this process whose records are on the way. What
// is lost with the process costs nothing: see takeBack.
type claims struct {
	mu sync.Mutex
	by map[claimed]types.NamespacedName
	of map[types.NamespacedName]claimed
}

func newClaims() *claims {
	return &claims{by: map[claimed]types.NamespacedName{}, of: map[types.NamespacedName]claimed{}}
}

// take reserves what for who, and gives up what else who has reserved. If another
// has reserved it, and still wants it, that one keeps it.
func (c *claims) take(what claimed, who types.NamespacedName, wants func(types.NamespacedName) bool) (holder types.NamespacedName, got bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if holder, held := c.by[what]; held && holder != who {
		if wants(holder) {
			return holder, false
		}
		delete(c.of, holder)
	}
	c.drop(who)
	c.by[what], c.of[who] = who, what
	return who, true
}

// forget gives up what who has reserved: its record is there, or it asks no more.
func (c *claims) forget(who types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(who)
}

func (c *claims) drop(who types.NamespacedName) {
	if what, had := c.of[who]; had {
		delete(c.of, who)
		delete(c.by, what)
	}
}
