// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"testing"
	"time"
)

var (
	rules = Rules{Grace: 10 * time.Second, SessionCache: 2 * time.Second, Recovery: 15 * time.Second}
	start = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
)

// from is a span in seconds since the start.
func from(began, ended float64) Span {
	second := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	return Span{second(began), second(ended)}
}

// code and token present what the grant c has. Its refresh tokens are c0, c1 and so on,
// where nothing is planted.
func code(s Span, got string) Presentation {
	return Presentation{Span: s, Code: "c", Outcome: Granted, Got: got, Grant: "grant-c"}
}

func token(s Span, presented string, o Outcome, got string) Presentation {
	p := Presentation{Span: s, Token: presented, Outcome: o, Got: got}
	if o == Granted {
		p.Grant = "grant-c"
	}
	return p
}

// sound is a journal with a bit of everything, in which nothing is wrong: a login,
// refreshes with a lost answer, and one more at the end, which is after 100 seconds.
func sound() Journal {
	return Journal{
		Presentations: []Presentation{
			code(from(1, 2), "c0"),
			token(from(3, 4), "c0", Granted, "c1"),
			{Span: from(5, 6), Token: "c1", Outcome: Granted, Dropped: true, Got: "c2x", Grant: "grant-c"},
			token(from(7, 8), "c1", Unavailable, ""),
			token(from(9, 10), "c1", Granted, "c2"),
			{Span: from(11, 12), Token: "c2", Foreign: true, Outcome: Refused},
			token(from(101, 102), "c2", Granted, "c3"),
		},
		Inquiries: []Inquiry{{from(13, 14), "c", Granted}, {from(15, 16), "c", Unavailable}},
		Visits: []Visit{
			{from(20, 21), "s", Granted}, {from(24, 25), "s", Granted}, {from(30, 31), "s", Refused}, {from(32, 33), "s", Lost},
		},
		Departures: []Departure{{from(22, 23), "s", true}},
		Asked:      []Consent{{from(1, 2), "ada", "app"}, {from(40, 41), "ada", "other"}},
		Allowed:    []Consent{{from(1, 3), "ada", "app"}},
		Calls: []Call{
			{Span: from(7, 8), What: "POST /token", Status: 503, RetryAfter: true},
			{Span: from(3, 4), What: "POST /token", Status: 200},
			{Span: from(50, 51), What: "GET /authorize"},
		},
		Misfortunes: []Misfortune{
			{Span: from(6, 7), Name: "API server killed", Disturbs: true},
			{Span: from(50, 50.5), Name: "replica gone", Loses: true},
			{Span: from(60, 61), Name: "replica updated"},
		},
		Closing:    start.Add(100 * time.Second),
		Stored:     []Stored{{"grant-c", true, 3}},
		StoredLive: 1,
	}
}

func TestAudit(t *testing.T) {
	add := func(p ...Presentation) func(*Journal) {
		return func(j *Journal) { j.Presentations = append(j.Presentations, p...) }
	}
	tests := []struct {
		name  string
		plant func(*Journal)
		want  []string // rules, each once
	}{
		{"nothing", func(*Journal) {}, nil},

		{"a code that is redeemed twice", add(code(from(13, 14), "d0")), []string{CodeTwice}},
		{"a code that is redeemed twice at once", add(code(from(1.5, 2.5), "d0")), []string{CodeTwice}},
		{"a code that is redeemed twice, although one answer was lost", func(j *Journal) {
			j.Presentations[0].Dropped = true
			add(code(from(2.2, 2.3), "d0"))(j)
		}, []string{CodeTwice}},
		{"a code that another client redeems", add(Presentation{Span: from(13, 14), Code: "d", Foreign: true, Outcome: Granted}), []string{BadAnswer}},
		{"a code that is refused for no cause", add(Presentation{Span: from(13, 14), Code: "d", Outcome: Refused}), []string{GrantLost}},
		{"a code of another's that is refused", add(Presentation{Span: from(13, 14), Code: "d", Foreign: true, Outcome: Refused}), nil},
		{"a code that is good when it is presented again", add(
			Presentation{Span: from(13, 14), Code: "d", Outcome: Unavailable},
			Presentation{Span: from(15, 16), Code: "d", Outcome: Granted, Got: "d0"},
			Presentation{Span: from(101, 102), Token: "d0", Outcome: Granted, Got: "d1"},
		), nil},
		{"a grant that is lost after its code was presented again, which the server had asked for", add(
			Presentation{Span: from(13, 14), Code: "d", Outcome: Unavailable},
			Presentation{Span: from(15, 16), Code: "d", Outcome: Granted, Got: "d0"},
			Presentation{Span: from(101, 102), Token: "d0", Outcome: Refused},
		), []string{GrantLost}},
		{"a grant that is lost after its code was presented again, which nobody had asked for", add(
			Presentation{Span: from(13, 14), Code: "d", Outcome: Lost},
			Presentation{Span: from(15, 16), Code: "d", Outcome: Granted, Got: "d0"},
			Presentation{Span: from(101, 102), Token: "d0", Outcome: Refused},
		), nil},
		{"a code that is refused when it is presented again", add(
			Presentation{Span: from(13, 14), Code: "d", Outcome: Unavailable},
			Presentation{Span: from(15, 16), Code: "d", Outcome: Refused},
		), nil},

		{"an old refresh token that is honoured", add(token(from(13, 14), "c0", Granted, "d1")), []string{Forked}},
		{"two chains that go on", add(
			token(from(13, 14), "c2x", Granted, "d3"),
			token(from(103, 104), "d3", Granted, "d4"),
			token(from(105, 106), "c3", Granted, "e4"),
			token(from(107, 108), "e4", Granted, "e5"),
			token(from(109, 110), "d4", Granted, "d5"),
			token(from(111, 112), "d5", Granted, "d6"),
			token(from(113, 114), "e5", Granted, "e6"),
		), []string{Forked}},
		{"two at once who get the same next token", add(token(from(101.5, 102.5), "c2", Granted, "d3")), nil},
		{"a retry after the grace that is honoured", add(token(from(112, 113), "c2", Granted, "d3")), []string{Forked}},
		{"a retry within the grace that is honoured", add(token(from(111, 112), "c2", Granted, "d3")), nil},
		{"a refresh token of another client's that is honoured", func(j *Journal) {
			j.Presentations[5].Outcome = Granted
		}, []string{BadAnswer, Forked}},
		{"a refresh token that nobody was given", add(token(from(13, 14), "x", Lost, "")), []string{Incomplete}},

		{"a refresh token that is refused for no cause", add(token(from(103, 104), "c3", Refused, "")), []string{GrantLost, StoreDiffers}},
		{"a retry within the grace that is refused", add(token(from(103, 104), "c2", Refused, "")), []string{GrantLost, StoreDiffers}},
		{"a retry that began within the grace and took too long", func(j *Journal) {
			add(token(from(103, 112), "c2", Refused, ""))(j)
			j.Stored[0].Live, j.StoredLive = false, 0
		}, nil},
		{"a grant that goes on after a refusal", func(j *Journal) {
			add(token(from(13, 14), "c0", Refused, ""))(j)
		}, []string{RevokedHonoured, StoreDiffers}},
		{"an old refresh token that is refused", func(j *Journal) {
			add(token(from(103, 104), "c0", Refused, ""), token(from(105, 106), "c3", Refused, ""))(j)
			j.Stored[0].Live, j.StoredLive = false, 0
		}, nil},
		{"an old refresh token, and nobody knows what became of it", func(j *Journal) {
			add(token(from(103, 104), "c0", Lost, ""), token(from(105, 106), "c3", Refused, ""))(j)
			j.Stored[0].Live, j.StoredLive = false, 0
		}, nil},
		{"a grant that was deleted by hand and is honoured", func(j *Journal) {
			j.Revocations = []Revocation{{from(13, 14), "c", true}}
		}, []string{RevokedHonoured, StoreDiffers}},
		{"a grant that was deleted by hand while it was refreshed", func(j *Journal) {
			j.Revocations = []Revocation{{from(101.5, 103), "c", true}}
			j.Stored[0].Live, j.StoredLive = false, 0
		}, nil},
		{"a grant that may have been deleted by hand", func(j *Journal) {
			j.Revocations = []Revocation{{from(103, 104), "c", false}}
		}, nil},
		{"an access token that is good after its grant has ended", func(j *Journal) {
			j.Revocations = []Revocation{{from(103, 104), "c", true}}
			j.Inquiries = append(j.Inquiries, Inquiry{from(105, 106), "c", Granted})
			j.Stored[0].Live, j.StoredLive = false, 0
		}, []string{RevokedHonoured}},
		{"an access token that is not good any more for no cause", func(j *Journal) {
			j.Inquiries = append(j.Inquiries, Inquiry{from(105, 106), "c", Refused})
		}, []string{GrantLost, StoreDiffers}},
		{"a grant that nobody has used at the end", func(j *Journal) {
			j.Presentations = j.Presentations[:6]
			j.Stored[0].Refreshes = 2
		}, []string{Incomplete}},
		{"a grant that is another one after a refresh", func(j *Journal) {
			j.Presentations[6].Grant = "grant-d"
		}, []string{BadAnswer}},

		{"a grant that the store has lost", func(j *Journal) {
			j.Stored, j.StoredLive = nil, 0
		}, []string{StoreDiffers}},
		{"a grant that the store has revoked", func(j *Journal) {
			j.Stored[0].Live, j.StoredLive = false, 0
		}, []string{StoreDiffers}},
		{"a grant of which the store has forgotten a refresh", func(j *Journal) { j.Stored[0].Refreshes = 2 }, []string{StoreDiffers}},
		{"a grant of which the store knows too many refreshes", func(j *Journal) { j.Stored[0].Refreshes = 4 }, []string{StoreDiffers}},
		{"a grant in the store that nobody asked for", func(j *Journal) { j.StoredLive = 2 }, []string{StoreDiffers}},
		{"a grant in the store whose answer was lost", func(j *Journal) {
			add(Presentation{Span: from(13, 14), Code: "d", Outcome: Lost})(j)
			j.StoredLive = 2
		}, nil},

		{"a session that is lost", func(j *Journal) {
			j.Visits = append(j.Visits, Visit{from(20, 21), "t", Refused})
		}, []string{SessionLost}},
		{"a session that is lost before it was ended", func(j *Journal) { j.Visits[0].Outcome = Refused }, []string{SessionLost}},
		{"a session that is refused while it ends", func(j *Journal) {
			j.Visits[0].Span, j.Visits[0].Outcome = from(22, 22.5), Refused
		}, nil},
		{"a session that nobody knows to have ended", func(j *Journal) { j.Departures[0].Done = false }, nil},
		{"a session that is honoured after its end", func(j *Journal) { j.Visits[2].Outcome = Granted }, []string{EndedHonoured}},

		{"a consent that is lost", func(j *Journal) {
			j.Asked = append(j.Asked, Consent{from(42, 43), "ada", "app"})
		}, []string{ConsentLost}},
		{"a consent of somebody else's", func(j *Journal) {
			j.Asked = append(j.Asked, Consent{from(42, 43), "bob", "app"})
		}, nil},

		{"an answer that is lost", func(j *Journal) { j.Calls[2].Span = from(51, 52) }, []string{AnswerLost}},
		{"an answer that is lost in an update", func(j *Journal) { j.Calls[2].Span = from(60, 61) }, []string{AnswerLost}},
		{"an answer that is lost in what loses none", func(j *Journal) { j.Calls[2].Span = from(6, 7) }, []string{AnswerLost}},
		{"a failure", func(j *Journal) { j.Calls[1].Status = 500 }, []string{BadAnswer}},
		{"a gateway's failure", func(j *Journal) { j.Calls[0].Status = 502 }, []string{BadAnswer}},
		{"a 503 that does not say when to come back", func(j *Journal) { j.Calls[0].RetryAfter = false }, []string{BadAnswer}},
		{"a client that is not believed", func(j *Journal) { j.Calls[1].Status, j.Calls[1].Wrong = 401, "invalid_client" }, []string{BadAnswer}},
		{"a 503 before anything has happened", func(j *Journal) { j.Calls[0].Span = from(4, 5) }, []string{NotRecovered}},
		{"a 503 until it is recovered from", func(j *Journal) { j.Calls[0].Span = from(21, 22) }, nil},
		{"a 503 after that", func(j *Journal) { j.Calls[0].Span = from(23, 24) }, []string{NotRecovered}},
		{"a 503 in an update", func(j *Journal) { j.Calls[0].Span = from(60, 61) }, []string{NotRecovered}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := sound()
			tt.plant(&j)
			var got []string
			report := Audit(rules, j)
			for _, v := range report.Violations {
				if !slices.Contains(got, v.Rule) {
					got = append(got, v.Rule)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got violations %v, want of %q", report.Violations, tt.want)
			}
		})
	}
}

// What is counted adds up.
func TestAudit_Counts(t *testing.T) {
	j := sound()
	j.Presentations = append(j.Presentations,
		Presentation{Span: from(13, 14), Code: "dead", Outcome: Granted, Got: "dead0"},
		Presentation{Span: from(15, 16), Code: "dead", Outcome: Refused},
		Presentation{Span: from(13, 14), Code: "doubtful", Outcome: Granted, Got: "doubtful0"},
		Presentation{Span: from(15, 16), Code: "doubtful", Outcome: Lost},
		Presentation{Span: from(13, 14), Code: "never", Outcome: Lost},
	)
	got := Audit(rules, j)
	if want := (Report{Grants: 3, Dead: 1, Live: 1, Doubtful: 1}); got.Grants != want.Grants || got.Dead != want.Dead ||
		got.Live != want.Live || got.Doubtful != want.Doubtful || len(got.Violations) > 0 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
