// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// staleDelay is how long to wait for a cache to catch up after a conflict. Its
// events usually come first; this is for when there is none.
const staleDelay = 100 * time.Millisecond

// errStale says that something was not, or no longer, as the cache had it. Nothing
// was decided wrongly, since nothing was written: look again.
var errStale = errors.New("acted on what is no longer so")

// isStale reports whether err means to start again from fresh state.
func isStale(err error) bool {
	return errors.Is(err, errStale) || apierrors.IsConflict(err)
}

// problem keeps a condition from being True, in words for the person who reads it.
// It is not an error to log: the condition, and an event, are where it is told.
type problem struct {
	condition string
	status    metav1.ConditionStatus
	reason    string
	message   string
	// after is when to look again. It is zero where a watch tells when the world,
	// or the spec, has changed.
	after time.Duration
}

// Error makes a problem something that a phase can end with.
func (p *problem) Error() string { return p.reason + ": " + p.message }

// refused makes condition False until a watch tells of a change.
func refused(condition, reason, format string, args ...any) *problem {
	return &problem{condition: condition, status: metav1.ConditionFalse, reason: reason, message: fmt.Sprintf(format, args...)}
}

// undecided makes condition Unknown until a watch tells of a change.
func undecided(condition, reason, format string, args ...any) *problem {
	p := refused(condition, reason, format, args...)
	p.status = metav1.ConditionUnknown
	return p
}

// within says to look again even if no watch tells of a change.
func (p *problem) within(d time.Duration) *problem {
	p.after = d
	return p
}

// asProblem is the problem that err is, if it is one.
func asProblem(err error) (*problem, bool) { return errors.AsType[*problem](err) }

// problems are what was found, by condition.
type problems map[string]*problem

func (p problems) add(found *problem) { p[found.condition] = found }

// phase is one step of a reconciliation. It adds to the facts in S, and ends the
// reconciliation with an error: a problem, or what went wrong on the way to
// condition.
type phase[S any] struct {
	condition string
	do        func(context.Context, S) error
}

// run goes through phases until one ends it. A problem is noted and is no error;
// anything else is noted in general words and returned, to be logged and retried.
func run[S any](ctx context.Context, s S, noted problems, phases []phase[S]) error {
	for _, p := range phases {
		err := p.do(ctx, s)
		if err == nil {
			continue
		}
		if found, ok := asProblem(err); ok {
			noted.add(found)
			return nil
		}
		if !isStale(err) && p.condition != "" && noted[p.condition] == nil {
			noted.add(failure(p.condition, err))
		}
		return err
	}
	return nil
}

// failure puts an error into words. The API server's own text stays in the log: it
// may repeat what a webhook said of an object that holds a secret.
func failure(condition string, err error) *problem {
	status := metav1.ConditionFalse
	if condition == v1alpha1.ConditionAccepted {
		status = metav1.ConditionUnknown // a failed read says nothing about the spec
	}
	p := &problem{condition: condition, status: status, reason: v1alpha1.ReasonFailed}
	switch {
	case errors.Is(err, errNoNamespace):
		p.message = "The namespace of Clientele's records, or of this object, does not exist or is being deleted. Create it; this is retried."
	case apierrors.IsForbidden(err):
		p.message = "The API server forbids a write: a quota, an admission policy or missing permissions of the manager are in the way. See the manager's log for which; this is retried."
	case apierrors.IsInvalid(err):
		p.message = "The API server finds a write invalid; an admission webhook may have changed it. See the manager's log; this is retried."
	default:
		p.message = "A read or write failed. See the manager's log; this is retried."
	}
	return p
}
