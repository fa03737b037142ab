// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// verdict is a condition but for when and for which generation.
type verdict struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

func yes(reason, format string, args ...any) verdict {
	return verdict{metav1.ConditionTrue, reason, fmt.Sprintf(format, args...)}
}

func no(reason, format string, args ...any) verdict {
	return verdict{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}

func (p *problem) verdict() verdict { return verdict{p.status, p.reason, p.message} }

// verdicts are an object's conditions, in the order in which they keep it from
// being Ready. One without a condition of its own does only that.
type verdicts []concern

type concern struct {
	condition string
	verdict   verdict
}

// summary is the Ready condition: True if all are, or else what the first says
// that is not.
func (vs verdicts) summary(ready string) verdict {
	for _, v := range vs {
		if v.verdict.status != metav1.ConditionTrue {
			return v.verdict
		}
	}
	return yes(v1alpha1.ReasonReady, "%s", ready)
}

// write puts all of vs, and the summary, into conditions.
func (vs verdicts) write(conditions *[]metav1.Condition, generation int64, now time.Time, ready string) {
	set := func(condition string, v verdict) {
		apimeta.SetStatusCondition(conditions, metav1.Condition{
			Type: condition, Status: v.status, Reason: v.reason, Message: shorten(v.message, maxMessage),
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	for _, v := range vs {
		if v.condition != "" {
			set(v.condition, v.verdict)
		}
	}
	set(v1alpha1.ConditionReady, vs.summary(ready))
}

const (
	// maxMessage keeps a list of mistakes readable.
	maxMessage = 2000
	// maxNote is what an Event's note may have.
	maxNote = 1024
	// maxNames is how many names a message lists.
	maxNames = 3
)

// shorten cuts s to limit bytes, at the end of a character.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	return strings.ToValidUTF8(s[:limit-len(mark)], "") + mark
}

// lagging says which replicas have not loaded something yet, or cannot.
func lagging(a acknowledgement) string {
	var sentences []string
	switch len(a.unable) {
	case 0:
	case 1:
		sentences = append(sentences, naming(a.unable)+" could not load it: its version may be older than the manager's.")
	default:
		sentences = append(sentences, naming(a.unable)+" could not load it: their version may be older than the manager's.")
	}
	switch len(a.behind) {
	case 0:
	case 1:
		sentences = append(sentences, naming(a.behind)+" has not loaded it yet.")
	default:
		sentences = append(sentences, naming(a.behind)+" have not loaded it yet.")
	}
	if len(sentences) == 0 {
		return "It is being confirmed that every running replica of the authserver has loaded it."
	}
	return strings.Join(sentences, " ")
}

// naming names replicas, one at least.
func naming(replicas []string) string {
	switch n := len(replicas); {
	case n == 1:
		return fmt.Sprintf("Replica %s of the authserver", replicas[0])
	case n <= maxNames:
		return fmt.Sprintf("Replicas %s of the authserver", strings.Join(replicas, ", "))
	default:
		return fmt.Sprintf("Replicas %s and %d more of the authserver", strings.Join(replicas[:maxNames], ", "), n-maxNames)
	}
}

// nobody says what to do when no replica runs.
func nobody(namespace string) string {
	return fmt.Sprintf("No replica of the authserver is running, so nobody can log in. Check its Deployment and Pods in namespace %s.", namespace)
}

// turned reports whether a condition's status or reason is another than before.
func turned(before, after []metav1.Condition, condition string) bool {
	b, a := apimeta.FindStatusCondition(before, condition), apimeta.FindStatusCondition(after, condition)
	if a == nil {
		return false
	}
	return b == nil || b.Status != a.Status || b.Reason != a.Reason
}
