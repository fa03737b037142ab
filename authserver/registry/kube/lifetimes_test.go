// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"testing"
	"time"

	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/internal/registration"
)

// TestKeptFor: a client's longer lifetimes keep keys for longer, and its shorter ones
// not for less: other clients have the server's.
func TestKeptFor(t *testing.T) {
	record := registration.Server{
		Lifetimes: registration.Lifetimes{
			AuthorizationCode: time.Minute, AccessToken: 15 * time.Minute, IDToken: 10 * time.Minute,
			RefreshToken: 720 * time.Hour, RefreshTokenIdle: 168 * time.Hour, Session: 12 * time.Hour,
		},
		Signing: registration.Signing{KeyRotationInterval: 720 * time.Hour},
	}
	for name, c := range map[string]struct {
		own              registration.ClientLifetimes
		signing, sealing time.Duration
	}{
		"none":                 {registration.ClientLifetimes{}, 15 * time.Minute, 720 * time.Hour},
		"shorter":              {registration.ClientLifetimes{AccessToken: 1, IDToken: 1, RefreshToken: 1}, 15 * time.Minute, 720 * time.Hour},
		"longer access tokens": {registration.ClientLifetimes{AccessToken: 2 * time.Hour}, 2 * time.Hour, 720 * time.Hour},
		"longer ID tokens":     {registration.ClientLifetimes{IDToken: 3 * time.Hour}, 3 * time.Hour, 720 * time.Hour},
		"longer refresh":       {registration.ClientLifetimes{RefreshToken: 2000 * time.Hour}, 15 * time.Minute, 2000 * time.Hour},
	} {
		got := DefaultSchedule(keptFor(record, c.own))
		if got.KeepSigning != c.signing+keepMargin || got.KeepSealing != c.sealing+keepMargin {
			t.Errorf("%s: signing keys are kept for %v and sealing keys for %v", name, got.KeepSigning, got.KeepSealing)
		}
	}
}

// TestStore_KeysOutliveClients: the keys of a server are kept for its clients, of
// others too long or of none.
func TestStore_KeysOutliveClients(t *testing.T) {
	f := newFed(t)
	long, other := clientRecord("wiki", "first"), clientRecord("blog", "first")
	long.Lifetimes.RefreshToken = 9000 * time.Hour
	other.AuthorizationServer, other.Lifetimes.RefreshToken = "other", 99000*time.Hour
	f.list(10, at(7, serverSecret(serverRecord("default"))), at(8, clientSecret(long)), at(9, clientSecret(other)))
	keptFor := func() time.Duration { return f.custodies()[0].record.Lifetimes.RefreshToken }
	if got := keptFor(); got != 9000*time.Hour {
		t.Errorf("keys are kept for refresh tokens of %v", got)
	}
	long.Lifetimes.RefreshToken = 0
	f.event(f.Update, at(11, clientSecret(long)))
	if got := keptFor(); got != serverRecord("default").Lifetimes.RefreshToken {
		t.Errorf("without the setting, keys are kept for refresh tokens of %v", got)
	}
}

// TestRotator_KeepsWhatWasGivenLonger: what was sealed while a lifetime was longer is
// good until the end that it was given, whatever has become of that lifetime since.
func TestRotator_KeepsWhatWasGivenLonger(t *testing.T) {
	const day = 24 * time.Hour
	patient := clientRecord("patient", "first")
	patient.Lifetimes.RefreshToken = 90 * day
	sessions := serverRecord("default", func(r *registration.Server) { r.Lifetimes.Session = 90 * day })
	for name, c := range map[string]struct{ longer, shorter func(by admin) }{
		"a client of its own lifetime goes": {
			func(by admin) { by.create(clientSecret(patient)) },
			func(by admin) { by.delete(registration.ClientRecordName("shop", "patient")) },
		},
		"a record of a later release comes": {
			func(by admin) { by.create(clientSecret(patient)) },
			func(by admin) {
				o := clientSecret(patient)
				by.delete(o.Name)
				o.Data[registration.KeyClient] = []byte(`{"version":99}`)
				by.create(o)
			},
		},
		"sessions are cut": {
			func(by admin) { by.update(serverSecret(sessions)) },
			func(by admin) { by.update(serverSecret(serverRecord("default"))) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *api, by admin) {
				k, other := a.replica(t, "one").keep(t), a.replica(t, "two").keep(t)
				settle(time.Second)
				c.longer(by)
				settle(time.Second)
				sealed, err := k.issuer().Box.Seal(seal.RefreshToken, "grant", time.Now())
				if err != nil {
					t.Fatal(err)
				}
				settle(15 * time.Minute) // within which a replica notes it
				c.shorter(by)
				for range 89 {
					settle(day)
					var got string
					if err := other.issuer().Box.Open(seal.RefreshToken, sealed, &got); err != nil {
						t.Fatalf("what was sealed for 90 days is not good at %v: %v", time.Now(), err)
					}
				}
				settle(60 * day)
				if err := other.issuer().Box.Open(seal.RefreshToken, sealed, new(string)); err == nil {
					t.Error("the key is kept for good")
				}
			})
		})
	}
}
