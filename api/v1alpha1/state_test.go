// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"
)

// The bases are what the authserver writes.
const (
	sessionBase = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthSession
metadata: {name: session, namespace: default}
spec:
  authorizationServer: default
  subject: subject-of-ann
  identityProvider: staff
  personID: ann
  signIn: BTYLPS2TJYBGV4XQSZDRCJQEXL
  authTime: "2026-10-31T18:00:00.000000Z"
  expiresAt: "2026-11-01T06:00:00.000000Z"
`
	grantBase = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthGrant
metadata: {name: grant, namespace: default}
spec:
  authorizationServer: default
  subject: subject-of-ann
  identityProvider: staff
  personID: ann
  clientID: docs.wiki
  clientUID: 8c5d2f0e-8d3e-4b2e-9a39-1b7ef2b8b3a1
  scopes: [openid, offline_access]
  codeID: 5MQ2KYFZLBCKVUSWBYPHZK7WEU
  session: VFQ6T3OWK7BXN2M4SLCJYDPRZA
  redemption: NDLQAYOLVLPM63OSUA4X6ZDGDD
  authTime: "2026-10-31T18:00:00.000000Z"
  issuedAt: "2026-10-31T18:00:01.000000Z"
  codeExpiresAt: "2026-10-31T18:01:01.000000Z"
  expiresAt: "2026-11-30T18:00:01.000000Z"
status: {refreshes: 0, lastUsed: "2026-10-31T18:00:02.000000Z"}
`
	consentBase = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthConsent
metadata: {name: consent, namespace: default}
spec:
  authorizationServer: default
  subject: subject-of-ann
  identityProvider: staff
  personID: ann
  clientID: docs.wiki
  clientUID: 8c5d2f0e-8d3e-4b2e-9a39-1b7ef2b8b3a1
  scopes: [openid]
  givenAt: "2026-10-31T18:00:01.000000Z"
`
	assertionBase = `
apiVersion: clientele.dev/v1alpha1
kind: OAuthAssertion
metadata: {name: assertion, namespace: default}
spec:
  authorizationServer: default
  expiresAt: "2026-10-31T18:05:30.000000Z"
`
)

// ofLogin are mutations of what sessions, grants and consents have.
func ofLogin(more ...mutation) []mutation {
	out := []mutation{{"as the authserver writes it", func(object) {}, nil}}
	for key, most := range map[string]int{"authorizationServer": 63, "subject": 255, "identityProvider": 253, "personID": 1024} {
		out = append(out, ofText(key, most)...)
	}
	return append(out, more...)
}

// ofText are mutations of a text that must be there and has a greatest length.
func ofText(key string, most int) []mutation {
	return []mutation{
		{"longest " + key, set(key, strings.Repeat("ä", most)), nil},
		{key + " too long", set(key, strings.Repeat("ä", most+1)), []string{"spec." + key}},
		{"no " + key, remove(key), []string{"spec." + key}},
		{key + " is a number", set(key, 7), []string{"spec." + key}},
	}
}

// ofNewText are mutations of a text that an older version does not write.
func ofNewText(key string, most int) []mutation {
	return []mutation{
		{"no " + key, remove(key), nil},
		{"longest " + key, set(key, strings.Repeat("ä", most)), nil},
		{key + " too long", set(key, strings.Repeat("ä", most+1)), []string{"spec." + key}},
		{key + " is a number", set(key, 7), []string{"spec." + key}},
	}
}

func ofTime(key string) []mutation {
	return []mutation{
		{"no " + key, remove(key), []string{"spec." + key}},
		{key + " is no time", set(key, "tomorrow"), []string{"spec." + key}},
	}
}

func ofScopes(most int) []mutation {
	scope := func(i int) any { return fmt.Sprint("scope-", i) }
	return []mutation{
		{"no scopes at all", remove("scopes"), []string{"spec.scopes"}},
		{"an empty list of scopes", set("scopes", list()), nil},
		{"most scopes", set("scopes", many(most, scope)), nil},
		{"too many scopes", set("scopes", many(most+1, scope)), []string{"spec.scopes"}},
		{"a scope too long", set("scopes", list(strings.Repeat("s", 257))), []string{"spec.scopes[0]"}},
	}
}

func join(all ...[]mutation) (out []mutation) {
	for _, m := range all {
		out = append(out, m...)
	}
	return out
}

func TestOAuthSession(t *testing.T) {
	run(t, sessionBase, ofLogin(join(ofNewText("signIn", 64), ofTime("authTime"), ofTime("expiresAt"))...))
}

func TestOAuthAssertion(t *testing.T) {
	run(t, assertionBase, join(ofText("authorizationServer", 63), ofTime("expiresAt"),
		[]mutation{{"as the authserver writes it", func(object) {}, nil}}))
}

func TestOAuthGrant(t *testing.T) {
	run(t, grantBase, ofLogin(join(
		ofText("clientID", 512), ofText("clientUID", 128), ofText("redemption", 64), ofNewText("codeID", 255), ofNewText("session", 255), ofScopes(128),
		ofTime("authTime"), ofTime("issuedAt"), ofTime("codeExpiresAt"), ofTime("expiresAt"))...))
}

func TestOAuthConsent(t *testing.T) {
	run(t, consentBase, ofLogin(join(ofText("clientID", 512), ofText("clientUID", 128), ofScopes(512), ofTime("givenAt"))...))
}

func TestOAuthGrant_Status(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status any
		want   []string
	}{
		{"never used", object{"refreshes": 0}, nil},
		{"often used", object{"refreshes": int64(1) << 40, "lastUsed": "2026-10-31T18:00:02Z"}, nil},
		{"nothing", nil, []string{"status"}},
		{"no refreshes", object{}, []string{"status.refreshes"}},
		{"less than none", object{"refreshes": -1}, []string{"status.refreshes"}},
		{"half a refresh", object{"refreshes": 0.5}, []string{"status.refreshes"}},
		{"used at no time", object{"refreshes": 0, "lastUsed": "never"}, []string{"status.lastUsed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := parse(t, grantBase)
			if u.Object["status"] = tt.status; tt.status == nil {
				delete(u.Object, "status")
			}
			expect(t, create(t, u), tt.want)
		})
	}
}
