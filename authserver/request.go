// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
)

// request is one request as handlers see it, and what the log will say of it.
type request struct {
	*http.Request

	// issuer is whom the request is for. Only noIssuer sees a nil one.
	issuer *registry.Issuer
	// id names the request to people and in the log.
	id string
	// now is the time at which everything in this request happens.
	now time.Time

	// What follows is for the log and the metrics alone.

	// route is the pattern, never the URL: that holds codes and states.
	route string
	// client is registered; a client_id that is not stays out of the log.
	client *registry.Client
	// code and cause are of the error that was answered with.
	code  string
	cause error
}

// method is the request's method. HEAD is served as GET, and net/http leaves the
// body out (RFC 9110 section 9.3.2).
func (r *request) method() string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

// parse reads the parameters. Its errors say nothing of their values.
func (r *request) parse() error {
	if len(r.URL.RawQuery) > maxQuery {
		return &statusError{
			err:    oauth.Errorf(oauth.InvalidRequest, "the query is too long"),
			status: http.StatusRequestURITooLong,
		}
	}
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{
			err:    oauth.Errorf(oauth.InvalidRequest, "the request body is too large"),
			status: http.StatusRequestEntityTooLarge,
		}
	}
	if err != nil {
		return &statusError{
			err:    oauth.Errorf(oauth.InvalidRequest, "the parameters are not form-urlencoded"),
			status: http.StatusBadRequest,
		}
	}
	return nil
}

// hasForm reports whether the body is of the one type that carries parameters
// (RFC 6749 sections 3.1 and 3.2).
func (r *request) hasForm() bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/x-www-form-urlencoded"
}

// params reads parameters, none of which may be given twice.
type params struct {
	values   url.Values
	repeated string
}

// one is the value of a parameter. RFC 6749 section 3.1: one without a value is
// one that was left out.
func (p *params) one(name string) string {
	all := p.values[name]
	if len(all) > 1 && p.repeated == "" {
		p.repeated = name
	}
	if len(all) != 1 {
		return ""
	}
	return all[0]
}

// err is the complaint about the first parameter that was read and is repeated.
// RFC 6749 sections 3.1 and 3.2: parameters MUST NOT be included more than once.
func (p *params) err() *oauth.Error {
	if p.repeated == "" {
		return nil
	}
	return oauth.Errorf(oauth.InvalidRequest, "%s is given more than once", p.repeated)
}

// response remembers what was sent.
type response struct {
	http.ResponseWriter

	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// guard runs h and turns a panic into an error. The panic's value may hold
// anything, so only the runtime's own messages are kept.
func guard(h handler, w *response, r *request) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("panic: %w\n%s", v, debug.Stack())
		default:
			if v == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
				panic(v)
			}
			err = fmt.Errorf("panic with a %T\n%s", v, debug.Stack())
		}
	}()
	return h(w, r)
}

// finish writes the one log record of a request: never its URL, header, form,
// cookie or anything made of them.
func (s *Server) finish(w *response, r *request) {
	took := s.now().Sub(r.now)
	s.metrics.request(r.route, w.status, took)
	level := slog.LevelInfo
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	// Not the request's context: a record must come of a request that was cancelled.
	ctx := context.WithoutCancel(r.Context())
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("method", known(r.Method)),
		slog.String("route", r.route),
		slog.Int("status", w.status),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
		slog.String("requestID", r.id),
	)
	if r.issuer != nil {
		attrs = append(attrs, slog.String("issuer", r.issuer.Name))
	}
	if r.client != nil {
		attrs = append(attrs, slog.String("clientID", r.client.ID()))
	}
	if r.code != "" {
		attrs = append(attrs, slog.String("error", r.code))
	}
	if r.cause != nil {
		attrs = append(attrs, slog.String("cause", r.cause.Error()))
	}
	// The handler itself: LogAttrs would look up this line in the source each time.
	record := slog.NewRecord(r.now.Add(took), level, "Serving request", 0)
	record.AddAttrs(attrs...)
	_ = s.log.Handler().Handle(ctx, record) // nobody could be told, as with LogAttrs
}

// known keeps a stranger's choice of words out of the log.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "other"
}
