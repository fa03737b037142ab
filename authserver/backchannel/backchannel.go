// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package backchannel tells clients that a person has signed out (OpenID Connect
// Back-Channel Logout 1.0 section 2.5), in the background: nobody waits for an app that
// does not answer, neither the person nor another app.
//
// All that it holds is bounded: how much waits, in all and for one client, how much is
// under way, and how often and for how long a client is tried. What it is told to do is
// in this process's memory alone, and lost when that is killed; Drain is for when it is
// told to stop. It knows neither registrations nor keys: what to send, and where, it asks
// again at each attempt.
package backchannel

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxHeld is how much waits or is under way at most, and maxLine how much of it for
	// one client.
	maxHeld = 10_000
	maxLine = 1_000
	// maxWorkers is how many requests are made at a time, and maxTurns to one client. So
	// a client that lets every request time out leaves the others most of the workers.
	maxWorkers = 32
	maxTurns   = 2
)

// pauses are those between attempts. With a quarter more, and a client that lets every
// one of five attempts time out, all is over within two minutes.
var pauses = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second, 45 * time.Second}

// ErrGone is what Notice.Prepare returns for a client that is not to be told any more.
var ErrGone = errors.New("the client wants to hear of no logout")

// Notice is what one client is to be told.
type Notice struct {
	// ClientID is the client's, at the issuer that it is told by.
	ClientID string
	// Prepare returns where to send which logout token. It is asked at each attempt, so
	// that the client is who it is then, and the token new. With another error than
	// ErrGone it is asked again later.
	Prepare func() (uri, token string, err error)
}

// Config is what a Notifier works with.
type Config struct {
	// Client sends. It must bound the time that a request takes, and follow no redirect.
	Client *http.Client
	// Log gets one record for each client that was told, or was not.
	Log *slog.Logger
	// Registerer takes the metrics; nil means that nobody reads them.
	Registerer prometheus.Registerer
	// Random is for the pauses, from 0 to below 1; nil means math/rand/v2.
	Random func() float64
}

// Notifier tells clients. Make one with New.
type Notifier struct {
	client  *http.Client
	log     *slog.Logger
	metrics *metrics
	random  func() float64
	queue   *queue
	// over ends with cancel, when whoever drains has no more patience.
	over   context.Context //nolint:containedctx // it is the lifetime of what goes on in the background
	cancel context.CancelFunc
}

// New returns a Notifier. It has no goroutine while it has nothing to do.
func New(c Config) (*Notifier, error) {
	switch {
	case c.Client == nil:
		return nil, errors.New("backchannel: Config.Client is nil")
	case c.Log == nil:
		return nil, errors.New("backchannel: Config.Log is nil")
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	n := &Notifier{client: c.Client, log: c.Log, random: c.Random}
	n.queue = newQueue(n.work)
	var err error
	if n.metrics, err = newMetrics(c.Registerer, n.queue.size); err != nil {
		return nil, err
	}
	n.over, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// SignedOut has list find out whom to tell that somebody has signed out at an issuer,
// and tells them. It returns at once. list is asked again later if it fails.
func (n *Notifier) SignedOut(issuer string, list func(context.Context) ([]Notice, error)) {
	began := time.Now()
	n.hold(&job{
		line: line{issuer: issuer}, since: began,
		attempt: func(ctx context.Context) outcome {
			notices, err := list(ctx)
			if err != nil {
				return outcome{result: resultUnlisted, again: true, because: "the grants of the session cannot be read"}
			}
			for _, notice := range notices {
				n.hold(&job{
					line: line{issuer, notice.ClientID}, since: began,
					attempt: func(ctx context.Context) outcome { return n.send(ctx, notice) },
				})
			}
			return outcome{}
		},
	})
}

func (n *Notifier) hold(j *job) {
	if !n.queue.add(j) {
		n.ended(j, outcome{result: resultDropped, because: "too many wait"})
	}
}

// work makes one attempt, and says what is to become of the job.
func (n *Notifier) work(j *job) (again time.Duration, done bool) {
	o := j.attempt(n.over)
	j.attempts++
	if n.over.Err() != nil && o.again {
		o.result = resultAbandoned
	}
	if !o.again || j.last || j.attempts > len(pauses) || n.over.Err() != nil {
		n.ended(j, o)
		return 0, true
	}
	return time.Duration(float64(pauses[j.attempts-1]) * (0.75 + 0.5*n.random())), false
}

// ended counts, and says, what became of a job. A list that led to notices is none of
// its own.
func (n *Notifier) ended(j *job, o outcome) {
	if o.result == "" {
		return
	}
	took := time.Since(j.since)
	n.metrics.ended(o.result, took)
	level := slog.LevelInfo
	if o.result != resultDelivered && o.result != resultGone {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("issuer", j.line.issuer), slog.String("client", j.line.client), slog.String("result", o.result),
		slog.Int("attempts", j.attempts), slog.Duration("took", took),
	}
	if o.because != "" {
		attrs = append(attrs, slog.String("because", o.because))
	}
	n.log.LogAttrs(context.Background(), level, "Telling a client that a person has signed out", attrs...)
}

// Drain makes a last attempt at everything that waits, and returns when all is over or
// ctx is. Nothing is taken on afterwards.
func (n *Notifier) Drain(ctx context.Context) {
	select {
	case <-n.queue.drain():
	case <-ctx.Done():
	}
	n.cancel()
	for _, j := range n.queue.close() {
		n.ended(j, outcome{result: resultAbandoned, because: "the server has stopped"})
	}
}
