// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParse_Details(t *testing.T) {
	got, err := Parse([]byte(`
- username: ada
  passwordHash: ` + hash + `
  givenName: Ada
  familyName: Lovelace
  middleName: King
  nickname: A.
  profile: https://people.example.com/ada?x=1
  picture: http://people.example.com/ada.png
  website: https://ada.example.com
  gender: female
  birthdate: 1815-12-10
  zoneinfo: Europe/London
  locale: en-GB
  updatedAt: 2026-01-31T12:00:00Z
  phoneNumber: +44 20 7946 0123;ext=7
  phoneNumberVerified: true
  address:
    formatted: "12 St James's Square\nLondon\r\nSW1Y 4JH"
    streetAddress: 12 St James's Square
    locality: London
    region: England
    postalCode: SW1Y 4JH
    country: United Kingdom
`))
	want := []User{{
		ID: "ada", Username: "ada", PasswordHash: hash,
		About: About{
			GivenName: "Ada", FamilyName: "Lovelace", MiddleName: "King", Nickname: "A.",
			Profile: "https://people.example.com/ada?x=1", Picture: "http://people.example.com/ada.png", Website: "https://ada.example.com",
			Gender: "female", Birthdate: "1815-12-10", Zoneinfo: "Europe/London", Locale: "en-GB",
		},
		UpdatedAt: "2026-01-31T12:00:00Z", PhoneNumber: "+44 20 7946 0123;ext=7", PhoneNumberVerified: true,
		Address: Address{
			Formatted: "12 St James's Square\nLondon\r\nSW1Y 4JH", StreetAddress: "12 St James's Square",
			Locality: "London", Region: "England", PostalCode: "SW1Y 4JH", Country: "United Kingdom",
		},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Parse = %+v, %v, want %+v", got, err, want)
	}
	if at := got[0].Updated(); !at.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("Updated = %v", at)
	}
	if at := (User{}).Updated(); !at.IsZero() {
		t.Errorf("Updated of nothing = %v", at)
	}
}

// TestParse_DetailForms: an error names the field, and never repeats what stands there.
func TestParse_DetailForms(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for field, values := range map[string]struct{ good, bad []string }{
		"givenName": {[]string{"Zoë", long(256)}, []string{long(257), `a\u0007`}},
		"gender":    {[]string{"other"}, []string{`a\nb`}},
		"picture": {[]string{"http://a.example/p.png", "https://[::1]:8/ü"}, []string{
			"javascript:alert(1)", "data:image/png;base64,AAAA", "//a.example/p", "/p.png", "https://", "https://u:p@a.example/",
			"https://a.example/ b", `https://a.example/\u0007`, "https://a.example/<b>", "https://a.example/" + long(512),
		}},
		"website":     {[]string{"https://a.example"}, []string{"ftp://a.example"}},
		"profile":     {[]string{"https://a.example"}, []string{"a.example"}},
		"birthdate":   {[]string{"1815-12-10", "0000-02-29", "1815"}, []string{"1815-13-10", "1815-02-30", "10.12.1815", "1815-12", "815", "1815-12-10T00:00:00Z"}},
		"zoneinfo":    {[]string{"UTC", "Europe/Vienna", "America/Argentina/Ushuaia", "Etc/GMT+5"}, []string{"../../etc/passwd", "Europe/", "/Europe", "a/b/c/d", "Mitteleuropäische Zeit"}},
		"locale":      {[]string{"de", "de-AT", "en_US", "zh-Hant-TW"}, []string{"d", "German (Austria)", "de-", "de--AT"}},
		"updatedAt":   {[]string{"2026-01-31T12:00:00Z", "2026-01-31T12:00:00+02:00"}, []string{"2026-01-31", "yesterday", "1960-01-31T12:00:00Z", "0001-01-01T00:00:00Z"}},
		"phoneNumber": {[]string{"+4315552368", "+1 (604) 555-1234;ext=5678"}, []string{"015552368", "+", "+43 a", "+43 1;ext=", long(40)}},
	} {
		for i, v := range append(values.good, values.bad...) {
			_, err := Parse([]byte("- {username: ada, passwordHash: " + hash + ", " + field + `: "` + v + `"}`))
			if good := i < len(values.good); good != (err == nil) {
				t.Errorf("%s %q: %v", field, v, err)
			}
			if err != nil && (!strings.Contains(err.Error(), `user 1 ("ada"): `+field+" is") || strings.Contains(err.Error(), strconv.Quote(v))) {
				t.Errorf("%s %q: the error is %v", field, v, err)
			}
		}
	}
}

func TestParse_AddressForms(t *testing.T) {
	for text, want := range map[string]string{
		`phoneNumberVerified: true`:                                           "phoneNumberVerified is set without phoneNumber",
		`address: {locality: "a\nb"}`:                                         "address.locality is longer",
		`address: {formatted: "a\rb"}`:                                        "address.formatted is longer",
		`address: {streetAddress: "` + strings.Repeat("x", maxLines+1) + `"}`: "address.streetAddress is longer",
		`address: {street: a}`:                                                "a field is unknown",
		`address: Vienna`:                                                     "not a YAML list of users",
		`about: {givenName: Ada}`:                                             "a field is unknown",
	} {
		_, err := Parse([]byte("- {username: ada, passwordHash: " + hash + ", " + text + "}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
