// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/internal/registration"
)

func TestMetrics(t *testing.T) {
	bubble(t, func(t *testing.T, a *api, by admin) {
		registry := prometheus.NewPedanticRegistry()
		r := a.replica(t, "one", func(c *Config) { c.Registerer = registry }).start(t)
		defer r.halt(t)
		settle(90 * time.Second)
		malformed := clientSecret(clientRecord("blog", "b"))
		malformed.Data[registration.KeyClient] = []byte("{")
		by.create(malformed)
		by.create(serverSecret(serverRecord("second")))
		settle(20 * time.Second)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP clientele_key_age_seconds How long ago the key in use came into use.
# TYPE clientele_key_age_seconds gauge
clientele_key_age_seconds{issuer="default",kind="ES256"} 110
clientele_key_age_seconds{issuer="default",kind="EdDSA"} 110
clientele_key_age_seconds{issuer="default",kind="PS256"} 110
clientele_key_age_seconds{issuer="default",kind="RS256"} 110
clientele_key_age_seconds{issuer="default",kind="seal"} 110
clientele_key_age_seconds{issuer="second",kind="ES256"} 20
clientele_key_age_seconds{issuer="second",kind="EdDSA"} 20
clientele_key_age_seconds{issuer="second",kind="PS256"} 20
clientele_key_age_seconds{issuer="second",kind="RS256"} 20
clientele_key_age_seconds{issuer="second",kind="seal"} 20
# HELP clientele_key_rotations_total Keys that this replica has minted and published.
# TYPE clientele_key_rotations_total counter
clientele_key_rotations_total{issuer="second",kind="ES256"} 1
clientele_key_rotations_total{issuer="second",kind="EdDSA"} 1
clientele_key_rotations_total{issuer="second",kind="PS256"} 1
clientele_key_rotations_total{issuer="second",kind="RS256"} 1
clientele_key_rotations_total{issuer="second",kind="pairwise"} 1
clientele_key_rotations_total{issuer="second",kind="seal"} 1
# HELP clientele_registry_clients Registered clients.
# TYPE clientele_registry_clients gauge
clientele_registry_clients 1
# HELP clientele_registry_current 1 while a client that is unknown can be refused for good.
# TYPE clientele_registry_current gauge
clientele_registry_current 1
# HELP clientele_registry_issuers Issuers, ready or not.
# TYPE clientele_registry_issuers gauge
clientele_registry_issuers 2
# HELP clientele_registry_last_event_timestamp_seconds When the watch last brought anything, in Unix time; a bookmark is due every minute.
# TYPE clientele_registry_last_event_timestamp_seconds gauge
clientele_registry_last_event_timestamp_seconds 9.4668489e+08
# HELP clientele_registry_malformed_records_total Records that were refused because they are malformed, each version once.
# TYPE clientele_registry_malformed_records_total counter
clientele_registry_malformed_records_total{kind="registration"} 1
# HELP clientele_replica_lease_failures_total Writes of this replica's Lease that failed.
# TYPE clientele_replica_lease_failures_total counter
clientele_replica_lease_failures_total 0
# HELP clientele_usage_reports_total Reports of which client secrets are used, by result: written or failed.
# TYPE clientele_usage_reports_total counter
clientele_usage_reports_total{result="failed"} 0
clientele_usage_reports_total{result="written"} 0
`)); err != nil {
			t.Error(err)
		}
		o := by.secret(registration.KeysName("second"))
		o.Annotations[annotationRevoke] = keys.All
		by.update(o)
		settle(time.Second)
		if n, err := testutil.GatherAndCount(registry, "clientele_key_revocations_total"); err != nil || n != len(keys.Kinds()) {
			t.Errorf("%d series of revocations, want one of each kind, %v", n, err)
		}
		r.link.cut(true)
		by.delete(registration.ServerRecordName("second"))
		settle(time.Minute)
		if n := testutil.ToFloat64(r.store.metrics.renewFailures); n < 5 {
			t.Errorf("%v failures are counted in a minute without an API server", n)
		}
		r.link.cut(false)
		settle(time.Minute)
		if n, err := testutil.GatherAndCount(registry, "clientele_key_age_seconds", "clientele_key_rotations_total", "clientele_key_revocations_total"); err != nil || n != len(keys.Kinds()) {
			t.Errorf("%d series of keys after an issuer is gone, want those of the other one, %v", n, err)
		}
	})
}

func TestNew_RegistersOnce(t *testing.T) {
	all := prometheus.NewRegistry()
	c := newReplica(t, "one", newAPI().link().client(t), func(c *Config) { c.Registerer = all }).config
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "Registerer") {
		t.Errorf("New() = %v for metrics that are registered already", err)
	}
}
