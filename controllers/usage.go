// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clientele-dev/clientele/internal/registration"
)

// lastUse answers when client secrets were last seen used.
type lastUse interface {
	// of is when the secret whose Digest has that ID was last used, as far as replicas
	// have reported. It is zero for one that nobody has seen used.
	of(id string) time.Time
	// through is the time until which every live replica has reported all use. It is
	// zero if that is not known, and if there is no live replica: while nobody can use a
	// secret, that it is not used proves nothing.
	through() time.Time
	// since is the time from which on that is all there was to report. Before it, a
	// replica may have died with what it had seen, or none may have run at all. So a
	// secret is known to have been quiet from the later one of of and since to through.
	since() time.Time
}

// unreported knows of no use.
type unreported struct{}

func (unreported) of(string) time.Time { return time.Time{} }
func (unreported) through() time.Time  { return time.Time{} }
func (unreported) since() time.Time    { return time.Time{} }

// endingPrefix marks, in indexCredential, the ID of a secret that has an end.
const endingPrefix = "ending/"

// credentialKeys are the values of indexCredential.
func credentialKeys(o client.Object) []string {
	record, ok := o.(*corev1.Secret)
	if !ok {
		return nil
	}
	var keys []string
	for _, d := range digestsIn(record) {
		id := d.ID()
		if keys = append(keys, id); !d.Until.IsZero() {
			keys = append(keys, endingPrefix+id)
		}
	}
	return keys
}

// digestsIn are those of a client's record, none of anything else. It reads nothing
// else and checks nothing.
func digestsIn(o *corev1.Secret) []registration.Digest {
	if o.Labels[registration.LabelRecord] != registration.RecordClient {
		return nil
	}
	var record struct {
		Digests []registration.Digest `json:"digests"`
	}
	if json.Unmarshal(o.Data[registration.KeyClient], &record) != nil {
		return nil
	}
	return record.Digests
}
