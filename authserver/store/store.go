// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package store keeps what outlives a request: sessions, grants and consents. It
// is a handful of atomic verbs; what they mean for a client is decided by the
// caller. Nothing is ever stored for a person who has not signed in.
//
// Implementations pass storetest. No record holds a token, a code or a secret. Times
// are kept to the microsecond at least, and what is finer is cut off, never rounded up.
package store

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound means that there is no such record, or that it has expired.
	ErrNotFound = errors.New("not found")
	// ErrSpent means that the code was redeemed before.
	ErrSpent = errors.New("code is spent")
	// ErrRevoked means that the grant was ended before its time.
	ErrRevoked = errors.New("grant is revoked")
	// ErrReused means that the grant has moved on from the expected counter.
	ErrReused = errors.New("counter has advanced")
	// ErrUsed means that what may be used once was used before.
	ErrUsed = errors.New("used before")
)

// Skew is by how much the clocks of two replicas, and of a store, may differ. A
// tombstone stays for that much longer than its code, and for Late.
const Skew = 30 * time.Second

// Late is for how long after its code was found alive a redemption may still take
// effect: far more than any verb may take, and what a network and a database add that
// go on with what was given up.
const Late = time.Minute

// MaxSessionGrants is how many grants of a session SessionGrants returns at most.
const MaxSessionGrants = 1000

// Session is a person's signed-in browser. It goes on when the person signs in again
// there.
type Session struct {
	// ID is a random name; the browser holds it sealed.
	ID string
	// SignIn is a random name of the last time that the person signed in; the browser
	// holds it sealed, with ID. What it held before is worth nothing then.
	SignIn string
	// Issuer is the AuthorizationServer's name.
	Issuer string
	// Subject is the person's sub (OpenID Connect Core 1.0 section 2).
	Subject string
	// Provider is the name of the identity provider that knows the person.
	Provider string
	// PersonID is the provider's name for the person.
	PersonID string
	// AuthTime is when the person signed in.
	AuthTime  time.Time
	ExpiresAt time.Time
}

// Grant is what one redeemed authorization code started.
type Grant struct {
	// ID is the code's id.
	ID string
	// Issuer is the AuthorizationServer's name.
	Issuer string
	// ClientID and ClientUID are the client's at the time of the request. A client
	// that was deleted and created anew has another UID.
	ClientID  string
	ClientUID string
	// Subject, Provider, PersonID and AuthTime are those of the session in which the
	// person approved.
	Subject  string
	Provider string
	PersonID string
	AuthTime time.Time
	// SessionID is that session's.
	SessionID string
	// Scopes are what the client may have.
	Scopes []string
	// Counter numbers the refresh token that is valid now: 0 for the first one.
	Counter int
	// AdvancedAt is when Counter last changed, or when the code was redeemed.
	AdvancedAt time.Time
	// IssuedAt is when the code was issued.
	IssuedAt time.Time
	// CodeExpiresAt is until when the code could be presented: no revocation may
	// forget the grant before it.
	CodeExpiresAt time.Time
	// ExpiresAt is the end of everything that the grant produced.
	ExpiresAt time.Time
}

// Consent is what a person has allowed a client to have. Issuer, Subject and ClientID
// are its name; Provider and PersonID tell an administrator who that is.
type Consent struct {
	Issuer   string
	Subject  string
	Provider string
	PersonID string
	ClientID string
	// ClientUID is that of the client as it was allowed: callers compare it.
	ClientUID string
	Scopes    []string
	// GivenAt is when the person last allowed something.
	GivenAt time.Time
}

// Store keeps sessions, grants and consents. All methods may be called
// concurrently; each is one atomic step. Issuers share nothing. A record is there
// before its ExpiresAt, and not at it or after, by the store's own clock. Slices are
// copied in and out. A verb whose context has ended before it is called is an error,
// and does nothing.
type Store interface {
	// CreateSession keeps s. Its ID must be new: where one of that ID lives, it is an
	// error, and the one that lives stays as it is.
	CreateSession(ctx context.Context, s Session) error
	// RenewSession gives the session of s's ID, whose person has signed in again, the
	// SignIn, AuthTime and ExpiresAt of s; all else stays as it was. It is ErrNotFound, and
	// nothing is kept, where no session of that ID, and of the same Subject, lives.
	RenewSession(ctx context.Context, s Session) error
	// Session returns the session, or ErrNotFound.
	Session(ctx context.Context, issuer, id string) (Session, error)
	// EndSession forgets the session. Ending one that does not exist is no error.
	EndSession(ctx context.Context, issuer, id string) error

	// Redeem creates g under its code's id. Of any number of concurrent callers
	// exactly one succeeds; the others get ErrSpent, so that they can revoke what
	// was issued (RFC 6749 section 4.1.2). It is the only write of a code flow. It
	// is ErrSpent as well for a code of which the store cannot know that it was not
	// redeemed: one issued before a store that forgets was started, and, in every
	// store, one whose CodeExpiresAt has come since the caller looked, because by then
	// the tombstone may have been swept. A sweep is later than CodeExpiresAt by Skew and
	// Late.
	Redeem(ctx context.Context, g Grant) error
	// Grant returns the grant, ErrRevoked, or ErrNotFound.
	Grant(ctx context.Context, issuer, id string) (Grant, error)
	// Advance adds one to the grant's counter if it is from, sets AdvancedAt to now, and
	// returns the grant after it. Of any number of concurrent callers with the same from
	// exactly one succeeds; the others get ErrReused together with the grant as it is.
	// Otherwise it is ErrRevoked or ErrNotFound.
	Advance(ctx context.Context, issuer, id string, from int, now time.Time) (Grant, error)
	// Revoke ends the grant. A tombstone stays for as long as its code could still
	// be presented, so that it cannot be redeemed anew; until then the grant is
	// ErrRevoked, and later ErrRevoked or ErrNotFound. Revoking a grant that does not
	// exist is no error and writes nothing, so a code that was not redeemed yet stays
	// redeemable: a store cannot know of it.
	Revoke(ctx context.Context, issuer, id string) error

	// SessionGrants returns the living grants of which SessionID is the given one, in no
	// order. Every grant is among them whose Redeem had returned before. Of more than
	// MaxSessionGrants it returns so many: none is a client's second one while another
	// client has none among them. It may take long: it is for when a session ends. The
	// empty text is no session's.
	SessionGrants(ctx context.Context, issuer, sessionID string) ([]Grant, error)

	// Spend notes, until a time, that what bears a name was used. Of any number of
	// concurrent callers with the same id exactly one succeeds; the others, and all later
	// ones until then, get ErrUsed. So does everyone once that time has come, because by
	// then what was noted may have been swept. An id may be any text.
	Spend(ctx context.Context, issuer, id string, until time.Time) error

	// Allow adds c's scopes to what the person has allowed the client before, and
	// GivenAt becomes c's. What was allowed to a client of another UID is forgotten.
	Allow(ctx context.Context, c Consent) error
	// Consent returns what the person has allowed the client, or ErrNotFound.
	Consent(ctx context.Context, issuer, subject, clientID string) (Consent, error)
	// Forget takes the consent back. Forgetting one that does not exist is no error.
	Forget(ctx context.Context, issuer, subject, clientID string) error
}

// Sweeper is a Store that keeps what is over until it is told to forget it.
type Sweeper interface {
	Store
	// Sweep forgets a page of what is over, tombstones included: no more than about
	// page records of each kind, in one bounded step. It returns how many of each kind
	// went, and whether there may be more. Nothing goes before it has been over for
	// Skew, and no grant, revoked or not, before its code has for Late as well, nor what was
	// spent before it has been over for both; where all has been swept, nothing is left that
	// has been over for two hours. Any number of callers may sweep at a time; it is only
	// wasteful.
	Sweep(ctx context.Context, page int) (Swept, error)
}

// Swept is what one Sweep did.
type Swept struct {
	Sessions, Grants, Spent int
	// More says that another Sweep would find something at once.
	More bool
}
