// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// claim is what only one record may have.
type claim struct{ server, clientID string }

func (s *store) putClient(e *secret, o *corev1.Secret) error {
	client, c, err := decodeClient(o.Data[registration.KeyClient])
	created := o.CreationTimestamp.Unix()
	if err != nil {
		if e.created != created {
			// Deleted and created anew while nobody watched: the last good state was
			// another object's.
			s.dropClient(e)
		}
		e.created = created
		return err
	}
	if client == nil {
		s.dropClient(e)
		e.created = created
		return nil
	}
	before, had := e.claim, e.client != nil
	if had && e.client.OwnLifetimes() != client.OwnLifetimes() || !had && client.OwnLifetimes() != (registration.ClientLifetimes{}) {
		nudge(s.keysChanged) // keys note for how long they are needed
	}
	e.claim, e.client, e.created = c, client, created
	if all := s.claimants[c]; !slices.Contains(all, e) {
		s.claimants[c] = append(all, e)
	}
	s.elect(c)
	if had && before != c {
		s.withdraw(e, before)
	}
	return nil
}

func (s *store) dropClient(e *secret) {
	if e.client != nil {
		e.client = nil
		s.withdraw(e, e.claim)
	}
}

func (s *store) withdraw(e *secret, c claim) {
	s.claimants[c] = slices.DeleteFunc(s.claimants[c], func(o *secret) bool { return o == e })
	s.elect(c)
}

// elect gives a client_id to the oldest record that claims it. The order in which
// records arrive must not matter, or replicas would differ.
func (s *store) elect(c claim) {
	all := s.claimants[c]
	if len(all) == 0 {
		delete(s.claimants, c)
		s.registry.DeleteClient(c.server, c.clientID)
		return
	}
	oldest := slices.MinFunc(all, func(a, b *secret) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.name, b.name))
	})
	s.registry.SetClient(oldest.client)
	if len(all) > 1 {
		s.log.Warn("Several records claim one client_id, the oldest one keeps it", "clientID", c.clientID,
			"authorizationServer", c.server, "secret", oldest.name, "claims", len(all))
	}
}

// decodeClient returns no client for a record that is withdrawn, which claims nothing.
func decodeClient(data []byte) (*registry.Client, claim, error) {
	record, err := registration.DecodeClient(data)
	if err != nil {
		return nil, claim{}, err
	}
	if record.Withdrawn {
		return nil, claim{}, nil
	}
	client, err := registry.NewClient(record)
	return client, claim{record.AuthorizationServer, record.ClientID}, err
}
