// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"testing"
	"time"

	"github.com/clientele-dev/clientele/internal/registration"
)

// TestNext is the prompt, session and consent matrix.
func TestNext(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	age := func(seconds int64) *int64 { return &seconds }

	nobody := facts{now: now}
	known := facts{now: now, signedIn: true, admitted: true, authTime: ago(time.Hour), covered: true}
	undecided := facts{now: now, signedIn: true, admitted: true, authTime: ago(time.Hour)}
	justNow := facts{now: now, signedIn: true, admitted: true, authTime: now, fresh: true, covered: true}
	justNowUndecided := facts{now: now, signedIn: true, admitted: true, authTime: now, fresh: true}
	// as is k for a client of a consent mode, and off for one that is for others.
	as := func(mode string, k facts) facts { k.consent = mode; return k }
	native := func(k facts) facts { k.native = true; return k }
	other := func(k facts) facts { k.other = true; return k }
	off := func(k facts) facts { k.admitted = false; return k }
	const always, once, never = registration.ConsentAlways, registration.ConsentOnce, registration.ConsentNever

	for name, c := range map[string]struct {
		flow flow
		k    facts
		want string
	}{
		"nobody":              {flow{}, nobody, "login"},
		"undecided":           {flow{}, undecided, "consent"},
		"known":               {flow{}, known, "issue"},
		"just now":            {flow{}, justNow, "issue"},
		"just now, undecided": {flow{}, justNowUndecided, "consent"},

		"none, nobody":           {flow{PromptNone: true}, nobody, "login_required"},
		"none, undecided":        {flow{PromptNone: true}, undecided, "consent_required"},
		"none, known":            {flow{PromptNone: true}, known, "issue"},
		"none, too old":          {flow{PromptNone: true, MaxAge: age(60)}, known, "login_required"},
		"none, young enough":     {flow{PromptNone: true, MaxAge: age(3600)}, known, "issue"},
		"none, too old, nothing": {flow{PromptNone: true, MaxAge: age(60)}, undecided, "login_required"},

		"login, nobody":              {flow{PromptLogin: true}, nobody, "login"},
		"login, known":               {flow{PromptLogin: true}, known, "login"},
		"login, just now":            {flow{PromptLogin: true}, justNow, "issue"},
		"login, just now, undecided": {flow{PromptLogin: true}, justNowUndecided, "consent"},
		// Time does not count, only whether the login was within this flow: replicas'
		// clocks differ.
		"login, elsewhere just now": {flow{PromptLogin: true}, facts{now: now, signedIn: true, admitted: true, authTime: now, covered: true}, "login"},

		"consent, nobody":    {flow{PromptConsent: true}, nobody, "login"},
		"consent, undecided": {flow{PromptConsent: true}, undecided, "consent"},
		"consent, known":     {flow{PromptConsent: true}, known, "consent"},
		"consent, just now":  {flow{PromptConsent: true}, justNow, "consent"},

		"login and consent, known":    {flow{PromptLogin: true, PromptConsent: true}, known, "login"},
		"login and consent, just now": {flow{PromptLogin: true, PromptConsent: true}, justNow, "consent"},

		"select_account, nobody":   {flow{PromptAccount: true}, nobody, "login"},
		"select_account, known":    {flow{PromptAccount: true}, known, "consent"},
		"select_account, just now": {flow{PromptAccount: true}, justNow, "issue"},

		"max_age, nobody":               {flow{MaxAge: age(60)}, nobody, "login"},
		"max_age, too old":              {flow{MaxAge: age(60)}, known, "login"},
		"max_age, to the second":        {flow{MaxAge: age(3600)}, known, "issue"},
		"max_age, a second too old":     {flow{MaxAge: age(3599)}, known, "login"},
		"max_age, young enough":         {flow{MaxAge: age(10000)}, known, "issue"},
		"max_age, too old but just now": {flow{MaxAge: age(60)}, facts{now: now, signedIn: true, admitted: true, authTime: ago(time.Hour), fresh: true, covered: true}, "issue"},
		"max_age 0, known":              {flow{MaxAge: age(0)}, known, "login"},
		"max_age 0, elsewhere just now": {flow{MaxAge: age(0)}, facts{now: now, signedIn: true, admitted: true, authTime: now, covered: true}, "login"},
		"max_age 0, just now":           {flow{MaxAge: age(0)}, justNow, "issue"},

		"other, known":           {flow{}, other(known), "login"},
		"other, just now":        {flow{}, other(justNow), "login_required"},
		"other, undecided":       {flow{}, other(undecided), "login"},
		"other, none":            {flow{PromptNone: true}, other(known), "login_required"},
		"other, none, nobody":    {flow{PromptNone: true}, nobody, "login_required"},
		"other, login":           {flow{PromptLogin: true}, other(known), "login"},
		"other, login, just now": {flow{PromptLogin: true}, other(justNow), "login_required"},
		"other, consent":         {flow{PromptConsent: true}, other(known), "login"},
		"other, off":             {flow{}, off(other(known)), "login"},
		"other, off, just now":   {flow{}, off(other(justNow)), "login_required"},

		"Once, undecided": {flow{}, as(once, undecided), "consent"},
		"Once, known":     {flow{}, as(once, known), "issue"},

		"Always, nobody":      {flow{}, as(always, nobody), "login"},
		"Always, undecided":   {flow{}, as(always, undecided), "consent"},
		"Always, known":       {flow{}, as(always, known), "consent"},
		"Always, just now":    {flow{}, as(always, justNow), "consent"},
		"Always, none, known": {flow{PromptNone: true}, as(always, known), "consent_required"},

		"Never, nobody":                {flow{}, as(never, nobody), "login"},
		"Never, undecided":             {flow{}, as(never, undecided), "issue"},
		"Never, known":                 {flow{}, as(never, known), "issue"},
		"Never, none, undecided":       {flow{PromptNone: true}, as(never, undecided), "issue"},
		"Never, none, nobody":          {flow{PromptNone: true}, as(never, nobody), "login_required"},
		"Never, consent, undecided":    {flow{PromptConsent: true}, as(never, undecided), "consent"},
		"Never, select_account, known": {flow{PromptAccount: true}, as(never, known), "consent"},
		"Never, too old":               {flow{MaxAge: age(60)}, as(never, known), "login"},

		"native, known":        {flow{}, native(known), "consent"},
		"native, none, known":  {flow{PromptNone: true}, native(known), "consent_required"},
		"native, Never, known": {flow{}, native(as(never, known)), "consent"},
		"native, Never, none":  {flow{PromptNone: true}, native(as(never, known)), "consent_required"},

		"off, nobody":         {flow{}, off(nobody), "login"},
		"off, known":          {flow{}, off(known), "turn away"},
		"off, undecided":      {flow{}, off(undecided), "turn away"},
		"off, just now":       {flow{}, off(justNow), "turn away"},
		"off, Never":          {flow{}, off(as(never, known)), "turn away"},
		"off, native":         {flow{}, off(native(known)), "turn away"},
		"off, none":           {flow{PromptNone: true}, off(known), "access_denied"},
		"off, none, nobody":   {flow{PromptNone: true}, off(nobody), "login_required"},
		"off, none, too old":  {flow{PromptNone: true, MaxAge: age(60)}, off(known), "login_required"},
		"off, login":          {flow{PromptLogin: true}, off(known), "login"},
		"off, consent":        {flow{PromptConsent: true}, off(known), "turn away"},
		"off, select_account": {flow{PromptAccount: true}, off(known), "turn away"},
	} {
		t.Run(name, func(t *testing.T) {
			do, problem := next(c.flow, c.k)
			got := map[step]string{stepLogin: "login", stepConsent: "consent", stepIssue: "issue", stepTurnAway: "turn away"}[do]
			if problem != nil {
				got = string(problem.Code)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
