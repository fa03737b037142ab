// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/clientele-dev/clientele/internal/registration"
)

// managerMargin is what the manager gives a Lease beyond its duration. The shorter
// it is, the harder the test.
const managerMargin = time.Second

// rotatingManager rotates one client's secret for ever, the way the manager's
// protocol has it: publish the new digest, read the Leases, mount the secret once
// every replica that has one has acknowledged, and only then drop what was mounted
// before. It deletes the Leases of replicas that are not heard of.
type rotatingManager struct {
	by      admin
	seen    map[string]sighting // by replica
	mounted string
	next    string // its digest is published, as of the version
	version string
	rounds  int
}

type sighting struct {
	version int64
	at      time.Time
	loaded  string
}

func newManager(by admin) *rotatingManager {
	return &rotatingManager{by: by, seen: map[string]sighting{}, mounted: "first"}
}

// step does what is possible now. It reads the Leases consistently.
func (m *rotatingManager) step(a *api) {
	if m.next == "" {
		m.next = fmt.Sprintf("secret-%d", m.rounds+1)
		m.version = m.by.update(clientSecret(clientRecord("wiki", m.mounted, m.next))).ResourceVersion
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, c := range a.live["leases"] {
		s := m.look(name, c)
		if time.Since(s.at) >= defaultTiming().lease+managerMargin {
			a.record("leases", "DELETED", decode("leases", c.object))
		} else if !atLeast(s.loaded, m.version) {
			return
		}
	}
	m.mounted, m.next = m.next, ""
	m.rounds++
}

func (m *rotatingManager) look(name string, c change) sighting {
	if s := m.seen[name]; s.version == c.version {
		return s
	}
	l := decode("leases", c.object).(*coordinationv1.Lease)
	m.seen[name] = sighting{c.version, time.Now(), l.Annotations[registration.AnnotationLoaded]}
	return m.seen[name]
}

// chaos does something bad to a replica, or ends it.
type chaos struct {
	*rand.Rand
	t    *testing.T
	api  *api
	all  []*replica
	born int
}

func (c *chaos) spawn() *replica {
	r := c.api.replica(c.t, fmt.Sprint("replica-", c.born))
	c.born++
	c.trouble(r)
	return r.start(c.t)
}

// trouble makes requests slow and answers get lost, from now on.
func (c *chaos) trouble(r *replica) {
	seed := c.Uint64()
	slow := []time.Duration{0, 100 * time.Millisecond, 3 * time.Second}[c.IntN(3)]
	r.link.set(func(l *link) {
		dice := rand.New(rand.NewPCG(seed, 1))
		l.delay = func(call) time.Duration {
			l.mu.Lock()
			defer l.mu.Unlock()
			return time.Duration(dice.Int64N(int64(slow) + 1))
		}
		l.fault = func(call) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			if dice.IntN(20) == 0 {
				return errors.New("lost")
			}
			return nil
		}
	})
}

func (c *chaos) strike() {
	i := c.IntN(len(c.all))
	r := c.all[i]
	switch c.IntN(12) {
	case 0, 1, 2:
		r.link.cut(true)
	case 3, 4:
		r.link.freeze()
	case 5:
		c.trouble(r)
	case 6: // as a rolling update does
		r.end()
		c.all[i] = c.spawn()
	case 7: // killed: its Lease stays
		r.link.cut(true)
		r.end()
		c.all[i] = c.spawn()
	case 8:
		c.api.compact()
	case 9:
		c.api.tick()
	default:
		r.link.cut(false)
		r.link.thaw()
	}
}

// TestCurrent_NeverRefusesWhatIsMounted is invariant 3 of the design on this side:
// whatever happens to the replicas, none that is current refuses the secret that
// the manager has mounted.
func TestCurrent_NeverRefusesWhatIsMounted(t *testing.T) {
	t.Parallel()
	seeds := uint64(12)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, a *api, by admin) { torture(t, a, by, seed) })
		})
	}
}

func torture(t *testing.T, a *api, by admin, seed uint64) {
	c := &chaos{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, api: a}
	for range 3 {
		c.all = append(c.all, c.spawn())
	}
	m := newManager(by)
	current, silent := 0, 0
	check := func() {
		settle(50 * time.Millisecond)
		m.step(a)
		for _, r := range c.all {
			// In the order of a request: what does not match is refused if the replica is current.
			switch matches := r.accepts("shop.wiki", m.mounted); {
			case !matches && r.Current():
				t.Fatalf("%s is current and refuses what is mounted; log:\n%s", r.name, r.log)
			case !matches:
				silent++
			case r.Current():
				current++
			}
		}
	}
	for range 100 {
		c.strike()
		for range c.IntN(200) { // 0 to 10 seconds
			check()
		}
	}
	struck := m.rounds
	for _, r := range c.all {
		r.link.set(func(l *link) { l.down, l.limit, l.delay, l.fault = false, 0, nil, nil })
	}
	settle(2 * time.Minute)
	for range 100 {
		check()
	}
	for _, r := range c.all {
		if !r.Current() {
			t.Errorf("%s has not recovered; log:\n%s", r.name, r.log)
		}
		r.halt(t)
	}
	if m.rounds-struck < 4 || silent == 0 || current == 0 {
		t.Errorf("%d and then %d rotations, %d times current, %d times it would not tell: this test shows little",
			struck, m.rounds-struck, current, silent)
	}
	t.Logf("%d rotations, %d times current, %d times it would not tell", m.rounds, current, silent)
}
