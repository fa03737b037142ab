// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package audit judges an authorization server by what its clients wrote down: what
// they sent, what they were answered, and when. It is pure, knows nothing of how the
// server works, and believes nobody but the clients.
package audit

import "time"

// Rules are what the server promises.
type Rules struct {
	// Grace is for how long a refresh token may be used again because its answer was
	// lost.
	Grace time.Duration
	// SessionCache is for how long a session that was ended may still be honoured.
	SessionCache time.Duration
	// Recovery is how long after a misfortune the server may go on asking clients to
	// come back later.
	Recovery time.Duration
}

// Span is from when something was begun until it had ended for whoever began it.
type Span struct{ Began, Ended time.Time }

// Outcome is how something ended.
type Outcome int

const (
	// Granted is an answer that gives what was asked for.
	Granted Outcome = iota
	// Refused is an answer that says no, for good.
	Refused
	// Unavailable is an answer that says to come back later.
	Unavailable
	// Lost is no answer: nobody knows what has happened.
	Lost
)

// String is for people.
func (o Outcome) String() string {
	return [...]string{"granted", "refused", "unavailable", "lost"}[o]
}

// Journal is all that was written down, in any order.
type Journal struct {
	Presentations []Presentation
	Revocations   []Revocation
	Inquiries     []Inquiry
	Visits        []Visit
	Departures    []Departure
	Allowed       []Consent
	Asked         []Consent
	Calls         []Call
	Misfortunes   []Misfortune
	// Closing is when misfortunes were over and recovered from. Everybody who holds a
	// grant then used it once more.
	Closing time.Time
	// Stored is what the store says at the end of the grants that the journal names, and
	// StoredLive how many live in it in all.
	Stored     []Stored
	StoredLive int
}

// Presentation is a code or a refresh token that was presented at the token endpoint.
type Presentation struct {
	Span

	// Code names the code, if it is one; it also names the grant that it starts.
	Code string
	// Token names the refresh token, if it is one.
	Token string
	// Foreign says that another client than its own presented it.
	Foreign bool

	Outcome Outcome
	// Dropped says that the client acts as if it had not got the answer.
	Dropped bool
	// Got names the refresh token in the answer.
	Got string
	// Grant is the store's name for the grant, as far as the answer tells.
	Grant string
}

// Inquiry is what the server says of an access token that has not expired: Granted if
// it is good, and Refused if not.
type Inquiry struct {
	Span

	Code    string
	Outcome Outcome
}

// Revocation is the end that somebody made to a grant, on purpose.
type Revocation struct {
	Span

	Code string
	Done bool
}

// Visit is the use of a session that a browser was given. It is Refused if the person
// has to sign in again.
type Visit struct {
	Span

	Session string
	Outcome Outcome
}

// Departure is the end that somebody made to their session, by logout or by another
// login at the same browser.
type Departure struct {
	Span

	Session string
	Done    bool
}

// Consent is about what a person allows a client.
type Consent struct {
	Span

	Person, Client string
}

// Call is one HTTP request, whatever it was for.
type Call struct {
	Span

	What string
	// Status is 0 if there was no answer.
	Status int
	// RetryAfter says that the answer has such a header.
	RetryAfter bool
	// Wrong says what is wrong with the answer, if anything.
	Wrong string
}

// Misfortune is what befell the server. A request that it may have met is judged
// more mildly.
type Misfortune struct {
	Span

	Name string
	// Loses says that answers may be lost in it.
	Loses bool
	// Disturbs says that clients may be told to come back later, in it and until it is
	// recovered from.
	Disturbs bool
}

// Stored is a grant as the store holds it.
type Stored struct {
	Grant     string
	Live      bool
	Refreshes int
}
