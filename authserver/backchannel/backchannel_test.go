// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package backchannel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// apps are all clients, by the host of their URI.
type apps struct {
	mu       sync.Mutex
	answers  map[string]func(ctx context.Context, n int) (int, error)
	received []received
	most     map[string]int
	now      map[string]int
}

type received struct {
	host, token string
	at          time.Time
}

func (a *apps) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		return nil, fmt.Errorf("%s: %w", r.Method, err)
	}
	host := r.URL.Hostname()
	a.mu.Lock()
	a.received = append(a.received, received{host, r.PostForm.Get("logout_token"), time.Now()})
	n := 0
	for _, got := range a.received {
		if got.host == host {
			n++
		}
	}
	a.now[host]++
	a.most[host] = max(a.most[host], a.now[host])
	answer := a.answers[host]
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.now[host]--
	}()
	status := http.StatusOK
	if answer != nil {
		var err error
		if status, err = answer(r.Context(), n); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("secret-of-the-app"))}, nil
}

func (a *apps) of(host string) []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []received
	for _, r := range a.received {
		if r.host == host {
			out = append(out, r)
		}
	}
	return out
}

func always(status int) func(context.Context, int) (int, error) {
	return func(context.Context, int) (int, error) { return status, nil }
}

func hangs(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

type fixture struct {
	*Notifier
	t    *testing.T
	apps *apps
	log  *bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, log: new(bytes.Buffer), apps: &apps{
		answers: map[string]func(context.Context, int) (int, error){}, most: map[string]int{}, now: map[string]int{},
	}}
	var err error
	f.Notifier, err = New(Config{
		Client: &http.Client{Transport: f.apps, Timeout: 5 * time.Second},
		Log:    slog.New(slog.NewJSONHandler(f.log, nil)), Registerer: prometheus.NewRegistry(),
		Random: func() float64 { return 0.5 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// notice is of an app; its tokens say which attempt they are of.
func notice(client string) Notice {
	n := 0
	return Notice{ClientID: client, Prepare: func() (string, string, error) {
		n++
		return "https://" + client + "/out?secret-of-the-uri", fmt.Sprintf("token-%s-%d", client, n), nil
	}}
}

func listing(notices ...Notice) func(context.Context) ([]Notice, error) {
	return func(context.Context) ([]Notice, error) { return notices, nil }
}

// results fails the test unless there were so many of each.
func (f *fixture) results(want map[string]float64) {
	f.t.Helper()
	for _, result := range []string{
		resultDelivered, resultRefused, resultFailed, resultGone, resultDropped, resultAbandoned, resultUnlisted,
	} {
		if got := testutil.ToFloat64(f.metrics.results.WithLabelValues(result)); got != want[result] {
			f.t.Errorf("%s: %v, want %v", result, got, want[result])
		}
	}
	if got := f.queue.size(); got != 0 {
		f.t.Errorf("%v are held", got)
	}
	for _, secret := range []string{"token-", "secret-of-the"} {
		if strings.Contains(f.log.String(), secret) {
			f.t.Errorf("the log shows %s: %s", secret, f.log)
		}
	}
}

// TestSignedOut: by each answer that a client can give.
func TestSignedOut(t *testing.T) {
	for name, c := range map[string]struct {
		answer   func(context.Context, int) (int, error)
		result   string
		attempts int
		logs     string
	}{
		"200": {always(200), resultDelivered, 1, `"level":"INFO"`},
		"204": {always(204), resultDelivered, 1, `"level":"INFO"`},
		"202": {always(202), resultRefused, 1, "status 202"},
		"303": {always(303), resultRefused, 1, "status 303"},
		"400": {always(400), resultRefused, 1, "status 400"},
		"404": {always(404), resultRefused, 1, "status 404"},
		"500": {always(500), resultFailed, 5, "status 500"},
		"503 twice": {func(_ context.Context, n int) (int, error) {
			if n <= 2 {
				return 503, nil
			}
			return 200, nil
		}, resultDelivered, 3, `"attempts":3`},
		"hangs": {hangs, resultFailed, 5, `"because":"timeout"`},
		"refuses connections": {func(context.Context, int) (int, error) {
			return 0, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		}, resultFailed, 5, "dial tcp: connection refused"},
		"answers garbage": {func(context.Context, int) (int, error) {
			return 0, errors.New(`malformed HTTP response "token-app-1 secret-of-the-app"`)
		}, resultFailed, 5, "no valid response"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, began := newFixture(t), time.Now()
				f.apps.answers["app"] = c.answer
				f.SignedOut("main", listing(notice("app")))
				f.waitFor(0)
				got := f.apps.of("app")
				if len(got) != c.attempts {
					t.Errorf("%d attempts, want %d", len(got), c.attempts)
				}
				tokens := map[string]bool{}
				for _, r := range got {
					tokens[r.token] = true
					if r.at.Sub(began) > 2*time.Minute {
						t.Errorf("tried after %s", r.at.Sub(began))
					}
				}
				if len(tokens) != len(got) {
					t.Error("a token was sent twice")
				}
				f.results(map[string]float64{c.result: 1})
				if !strings.Contains(f.log.String(), c.logs) || !strings.Contains(f.log.String(), `"client":"app","result":"`+c.result) {
					t.Errorf("the log says %s", f.log)
				}
			})
		})
	}
}

// waitFor lets time pass, of which a bubble has plenty, until no more than so many are
// held.
func (f *fixture) waitFor(held float64) {
	f.t.Helper()
	for range 1000 {
		synctest.Wait()
		if f.queue.size() <= held {
			return
		}
		<-time.After(time.Second)
	}
	f.t.Fatalf("%v are held", f.queue.size())
}

// TestSignedOut_Gone: what is registered counts at each attempt.
func TestSignedOut_Gone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.apps.answers["app"] = always(500)
		n, attempts := notice("app"), 0
		prepare := n.Prepare
		n.Prepare = func() (string, string, error) {
			attempts++
			switch attempts {
			case 2:
				return "", "", errors.New("nobody can tell")
			case 4:
				return "", "", ErrGone
			}
			return prepare()
		}
		f.SignedOut("main", listing(n))
		f.waitFor(0)
		if got := len(f.apps.of("app")); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
		f.results(map[string]float64{resultGone: 1})
	})
}

// TestSignedOut_ListingFails: it is asked again, and at last given up.
func TestSignedOut_ListingFails(t *testing.T) {
	for fails, want := range map[int]map[string]float64{2: {resultDelivered: 1}, 9: {resultUnlisted: 1}} {
		synctest.Test(t, func(t *testing.T) {
			f, n := newFixture(t), 0
			f.SignedOut("main", func(context.Context) ([]Notice, error) {
				if n++; n <= fails {
					return nil, errors.New("the store is gone")
				}
				return []Notice{notice("app")}, nil
			})
			f.waitFor(0)
			f.results(want)
		})
	}
}

// TestSignedOut_DeadClients: those that let every request time out do not keep the
// others waiting, and no client gets more than a few requests at a time.
func TestSignedOut_DeadClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := newFixture(t), time.Now()
		for i := range 4 {
			f.apps.answers[fmt.Sprint("dead-", i)] = hangs
		}
		for range 200 {
			f.SignedOut("main", listing(notice("dead-0"), notice("dead-1"), notice("dead-2"), notice("dead-3"), notice("alive")))
		}
		synctest.Wait()
		if got := len(f.apps.of("alive")); got != 200 || time.Since(began) > 0 {
			t.Errorf("after %s, %d are told, want 200 at once", time.Since(began), got)
		}
		for host, most := range f.apps.most {
			if most > maxTurns {
				t.Errorf("%s had %d requests at a time", host, most)
			}
		}
		f.cancel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f.Drain(ctx)
		synctest.Wait()
	})
}

// TestSignedOut_Bounds: what is too much is dropped and counted.
func TestSignedOut_Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.apps.answers["dead"] = hangs
		for range maxLine + 7 {
			f.SignedOut("main", listing(notice("dead")))
			synctest.Wait()
		}
		if got := testutil.ToFloat64(f.metrics.results.WithLabelValues(resultDropped)); got != 7 {
			t.Errorf("%v were dropped, want 7", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f.Drain(ctx)
		synctest.Wait()
		if got := testutil.ToFloat64(f.metrics.results.WithLabelValues(resultAbandoned)); got != maxLine {
			t.Errorf("%v were abandoned, want %d", got, maxLine)
		}
	})
}

// TestDrain: what waits is tried once more at once, and what hangs is given up when
// whoever waits has no more patience.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.apps.answers["late"] = func(_ context.Context, n int) (int, error) {
			if n < 3 {
				return 500, nil
			}
			return 200, nil
		}
		f.apps.answers["down"] = always(500)
		f.apps.answers["hangs"] = hangs
		f.SignedOut("main", listing(notice("late"), notice("down"), notice("hangs")))
		<-time.After(2 * time.Second) // they have been tried once or twice
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		f.Drain(ctx)
		synctest.Wait()
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("it took %s", took)
		}
		f.results(map[string]float64{resultDelivered: 1, resultFailed: 1, resultAbandoned: 1})
		f.SignedOut("main", listing(notice("late")))
		synctest.Wait()
		f.results(map[string]float64{resultDelivered: 1, resultFailed: 1, resultAbandoned: 1, resultDropped: 1})
	})
}

// TestDrain_Nothing: it does not wait where there is nothing to wait for.
func TestDrain_Nothing(t *testing.T) {
	f := newFixture(t)
	f.Drain(t.Context())
	f.Drain(t.Context())
}
