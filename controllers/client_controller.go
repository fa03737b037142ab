// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/registration"
)

// +kubebuilder:rbac:groups=clientele.dev,resources=oauthclients,verbs=get;list;watch
// +kubebuilder:rbac:groups=clientele.dev,resources=oauthclients/status,verbs=get;patch
// +kubebuilder:rbac:groups=clientele.dev,resources=authorizationservers,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=clientele-system,resources=leases,verbs=get;list;watch;delete

// kindClient is the kind in an ownerReference to an OAuthClient.
const kindClient = "OAuthClient"

// shared is what both controllers have.
type shared struct {
	Options
	clusterClients
	metrics *metrics
	events  events.EventRecorder
}

func (s shared) secrets() secrets { return secrets{s.writer} }

// replicaGate answers how far the replicas are with a version, and whether they could
// load the record of that name; see replicaTracker.
type replicaGate interface {
	await(request reconcile.Request, version, record string) acknowledgement
	leave(request reconcile.Request)
}

// clientReconciler makes an OAuthClient's record, Secret and status.
type clientReconciler struct {
	shared
	gate      replicaGate
	usage     lastUse
	parking   *parking
	claims    *claims
	stopclock *stopclock
	told      *told
	// watches, memory and readings spare reads and slow hashes, and decide nothing.
	watches  *secretWatches
	memory   *credential.Memory
	readings *readings
}

// newClientReconciler has an empty memory, and neither gate nor watches.
func newClientReconciler(s shared, usage lastUse) *clientReconciler {
	return &clientReconciler{
		shared: s, usage: usage, parking: newParking(parkingLimit), claims: newClaims(), stopclock: newStopclock(),
		told: &told{}, memory: &credential.Memory{}, readings: &readings{},
	}
}

// Reconcile brings one OAuthClient's record, Secret and status to where its spec
// and the cluster want them, as far as it gets: whatever it has to wait for wakes
// it again.
func (r *clientReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	s, err := r.read(ctx, request.NamespacedName)
	if err != nil {
		return settleFor(err)
	}
	if s == nil {
		after, err := r.withdraw(ctx, request.NamespacedName)
		if err != nil {
			return settleFor(err)
		}
		return ctrl.Result{RequeueAfter: after}, nil
	}
	if isPaused(s.client) {
		r = r.paused()
	}
	r.stopclock.start(s)
	err = run(ctx, s, s.problems, []phase[*clientScope]{
		{v1alpha1.ConditionAccepted, r.checkSpec},
		{v1alpha1.ConditionCredentialsReady, r.ensureCredentials},
		{v1alpha1.ConditionRegistered, r.publishRegistration},
		{v1alpha1.ConditionRegistered, r.awaitReplicas},
		{v1alpha1.ConditionCredentialsReady, r.writeSecret},
		{"", r.retireOldCredentials},
	})
	if isStale(err) {
		return settleFor(err)
	}
	r.watches.retain(s.request(), s.follows...)
	setConditions(s)
	if patchErr := r.patchStatus(ctx, s); patchErr != nil {
		if err == nil {
			return settleFor(patchErr)
		}
		return ctrl.Result{}, errors.Join(err, patchErr)
	}
	r.report(s)
	return ctrl.Result{RequeueAfter: s.again()}, err
}

// settleFor is the result of a reconciliation that ended with err before it had
// anything to say.
func settleFor(err error) (ctrl.Result, error) {
	if isStale(err) {
		return ctrl.Result{RequeueAfter: staleDelay}, nil
	}
	return ctrl.Result{}, err
}

// clientScope is what a reconciliation has found out so far. Each phase adds to it;
// only setConditions draws conclusions.
type clientScope struct {
	client *v1alpha1.OAuthClient
	before v1alpha1.OAuthClientStatus
	now    time.Time
	memory *credential.Memory // of slow hashes

	// What was read.
	record    *corev1.Secret       // nil if there is none
	published *registration.Client // what it says of this client; nil if it says nothing that can be used
	earlier   *registration.Client // what it says of an earlier client of this name, instead
	secrets   []corev1.Secret      // those that the client owns, under whatever name
	used      func(id string) time.Time

	// problems are what keeps a condition from being True.
	problems problems

	// From checkSpec.
	server        *v1alpha1.AuthorizationServer // the one that the spec asks for
	want          registration.Client           // without digests if it comes from the spec
	issuer        *registration.Server
	issuerVersion string
	secretName    string

	// From ensureCredentials.
	secret     *corev1.Secret // the one called secretName; nil if there is none
	credential choice
	rotation   rotation
	// revoking says that secrets which were mounted before the one that is now are to
	// be revoked.
	revoking bool
	// follows are Secrets that are not ours, and whose changes concern this client.
	follows []types.NamespacedName

	// From publishRegistration: the version that replicas must have loaded.
	version string
	// From awaitReplicas.
	replicas acknowledgement
	// secretReady says that the app can use secret as it is.
	secretReady bool
	// awaitsReplicas says that another client secret takes the place of the one that
	// the app can use, as soon as every replica has loaded its digest.
	awaitsReplicas bool
	// wake is when time alone changes something; zero is never.
	wake time.Time
}

// read gathers what is known of an OAuthClient. It is nil if there is none, or one
// that is being deleted.
func (r *clientReconciler) read(ctx context.Context, key types.NamespacedName) (*clientScope, error) {
	oc := &v1alpha1.OAuthClient{}
	if err := r.cached.Get(ctx, key, oc); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if oc.DeletionTimestamp != nil {
		return nil, nil
	}
	s := &clientScope{client: oc, before: *oc.Status.DeepCopy(), now: r.Clock.Now(), problems: problems{}, used: r.usage.of, memory: r.memory}
	if err := r.readRecord(ctx, s); err != nil {
		return nil, err
	}
	owned := &corev1.SecretList{}
	err := r.cached.List(ctx, owned, client.InNamespace(key.Namespace), client.MatchingFields{indexOwner: string(oc.UID)})
	s.secrets = owned.Items
	return s, err
}

// readRecord reads the client's record, and what of it can be used.
func (r *clientReconciler) readRecord(ctx context.Context, s *clientScope) error {
	record := &corev1.Secret{}
	err := r.cached.Get(ctx, r.recordKey(client.ObjectKeyFromObject(s.client)), record)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	s.record = record
	switch c, err := registration.DecodeClient(record.Data[registration.KeyClient]); {
	case err != nil:
	case c.UID == string(s.client.UID):
		s.published = &c
	default:
		s.earlier = &c
	}
	return nil
}

func (r *clientReconciler) recordKey(key types.NamespacedName) client.ObjectKey {
	return client.ObjectKey{Namespace: r.Namespace, Name: registration.ClientRecordName(key.Namespace, key.Name)}
}

// owned is the Secret of that name, if the client owns one.
func (s *clientScope) owned(name string) *corev1.Secret {
	for i := range s.secrets {
		if s.secrets[i].Name == name {
			return &s.secrets[i]
		}
	}
	return nil
}

func (s *clientScope) key() types.NamespacedName { return client.ObjectKeyFromObject(s.client) }

func (s *clientScope) request() reconcile.Request {
	return reconcile.Request{NamespacedName: s.key()}
}

// again is how long until time alone changes something, or zero.
func (s *clientScope) again() time.Duration {
	var next time.Duration
	sooner := func(d time.Duration) {
		if d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	for _, p := range s.problems {
		sooner(p.after)
	}
	if !s.wake.IsZero() {
		sooner(max(s.wake.Sub(s.now), time.Millisecond))
	}
	return next
}

// patchStatus writes the status if it has changed. It conflicts if the object has,
// so that no old leader writes over what a new one has found.
func (r *clientReconciler) patchStatus(ctx context.Context, s *clientScope) error {
	old := s.client.DeepCopy()
	old.Status = s.before
	if statusEqual(old, s.client) {
		return nil
	}
	patch := client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
	err := r.writer.Status().Patch(ctx, s.client, patch, client.FieldOwner(fieldOwner))
	if apierrors.IsNotFound(err) {
		return errStale // deleted meanwhile; the cache says so soon
	}
	return err
}
