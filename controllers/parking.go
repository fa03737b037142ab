// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clientele-dev/clientele/internal/credential"
)

// parkingLimit bounds the secrets in a parking. It is far above the number of
// clients that wait for a replica at any time, and some tens of megabytes.
const parkingLimit = 1 << 16

// parking holds minted secrets until every replica accepts their digest and they
// can be written to the app's Secret. It is memory only, on purpose: a plaintext
// is stored nowhere else. Losing it costs another mint and nothing more, because
// the digest of the one that was lost stays published through its overlap.
type parking struct {
	limit int

	mu     sync.Mutex
	parked map[types.NamespacedName]parkedSecret
}

type parkedSecret struct {
	uid   types.UID
	value credential.Secret
}

func newParking(limit int) *parking {
	return &parking{limit: limit, parked: map[types.NamespacedName]parkedSecret{}}
}

// get returns the secret that waits for the OAuthClient key with that uid, if any.
func (p *parking) get(key types.NamespacedName, uid types.UID) credential.Secret {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.parked[key]; s.uid == uid {
		return s.value
	}
	return credential.Secret{}
}

// put parks a secret and reports whether there was room. One that is parked is
// never pushed out: its client would mint again and again.
func (p *parking) put(key types.NamespacedName, uid types.UID, value credential.Secret) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, replaces := p.parked[key]; !replaces && len(p.parked) >= p.limit {
		return false
	}
	p.parked[key] = parkedSecret{uid: uid, value: value}
	return true
}

// drop forgets the secret of key, because it was written or its client is gone.
func (p *parking) drop(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.parked, key)
}
