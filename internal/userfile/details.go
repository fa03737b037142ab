// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package userfile

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// About is the rest of the scope profile (OpenID Connect Core 1.0 section 5.1).
type About struct {
	GivenName  string `yaml:"givenName"`
	FamilyName string `yaml:"familyName"`
	MiddleName string `yaml:"middleName"`
	Nickname   string `yaml:"nickname"`
	Profile    string `yaml:"profile"`
	Picture    string `yaml:"picture"`
	Website    string `yaml:"website"`
	Gender     string `yaml:"gender"`
	Birthdate  string `yaml:"birthdate"`
	Zoneinfo   string `yaml:"zoneinfo"`
	Locale     string `yaml:"locale"`
}

// Address is a postal address (OpenID Connect Core 1.0 section 5.1.1).
type Address struct {
	Formatted     string `yaml:"formatted"`
	StreetAddress string `yaml:"streetAddress"`
	Locality      string `yaml:"locality"`
	Region        string `yaml:"region"`
	PostalCode    string `yaml:"postalCode"`
	Country       string `yaml:"country"`
}

// Bounds, in bytes, of one field.
const (
	maxText  = 256
	maxURL   = 512
	maxLines = 512
)

var (
	// phoneForm is E.164's, with the signs that people put between the digits and RFC
	// 3966's extension: what Core section 5.1 recommends.
	phoneForm  = regexp.MustCompile(`^\+[0-9][0-9 ().-]{2,30}(;ext=[0-9]{1,10})?$`)
	zoneForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)
	localeForm = regexp.MustCompile(`^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,8}$`)
	yearForm   = regexp.MustCompile(`^[0-9]{4}$`)
)

// fieldCheck says what is wrong with a field that is not empty.
type fieldCheck struct {
	field, value string
	check        func(string) error
}

// checkDetails checks what may be missing. Its errors name the field and never
// repeat what stands there.
func (u User) checkDetails() error {
	for _, c := range []fieldCheck{
		{"givenName", u.GivenName, text},
		{"familyName", u.FamilyName, text},
		{"middleName", u.MiddleName, text},
		{"nickname", u.Nickname, text},
		{"gender", u.Gender, text},
		{"profile", u.Profile, webURL},
		{"picture", u.Picture, webURL},
		{"website", u.Website, webURL},
		{"birthdate", u.Birthdate, birthdate},
		{"zoneinfo", u.Zoneinfo, form(zoneForm, "is not the name of a time zone, such as Europe/Vienna")},
		{"locale", u.Locale, form(localeForm, "is not a language tag, such as de-AT")},
		{"updatedAt", u.UpdatedAt, moment},
		{"phoneNumber", u.PhoneNumber, form(phoneForm, "is not of the form +43 1 5552368, or +43 1 5552368;ext=12")},
		{"address.formatted", u.Address.Formatted, lines},
		{"address.streetAddress", u.Address.StreetAddress, lines},
		{"address.locality", u.Address.Locality, text},
		{"address.region", u.Address.Region, text},
		{"address.postalCode", u.Address.PostalCode, text},
		{"address.country", u.Address.Country, text},
	} {
		if c.value == "" {
			continue
		}
		if err := c.check(c.value); err != nil {
			return fmt.Errorf("%s %w", c.field, err)
		}
	}
	if u.PhoneNumberVerified && u.PhoneNumber == "" {
		return errors.New("phoneNumberVerified is set without phoneNumber")
	}
	return nil
}

// Updated is UpdatedAt as a time, or zero.
func (u User) Updated() time.Time {
	t, _ := time.Parse(time.RFC3339, u.UpdatedAt) // was checked
	return t
}

func text(s string) error {
	if len(s) > maxText || !printable(s) {
		return fmt.Errorf("is longer than %d bytes, or has control characters", maxText)
	}
	return nil
}

// lines allows several of them, as Core section 5.1.1 does.
func lines(s string) error {
	if len(s) > maxLines || !printable(strings.NewReplacer("\r\n", "", "\n", "").Replace(s)) {
		return fmt.Errorf("is longer than %d bytes, or has control characters other than line breaks", maxLines)
	}
	return nil
}

func webURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		len(s) > maxURL || !printable(s) || strings.ContainsAny(s, " <>\"") {
		return fmt.Errorf("is not a URL of http or https of at most %d bytes, without a user in it", maxURL)
	}
	return nil
}

// birthdate: of section 5.1 a year of 0000 means that it is not told, and a year
// alone that the day is not.
func birthdate(s string) error {
	if yearForm.MatchString(s) {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return errors.New("is not of the form YYYY-MM-DD, 0000-MM-DD or YYYY")
	}
	return nil
}

func moment(s string) error {
	if t, err := time.Parse(time.RFC3339, s); err != nil || t.Unix() <= 0 {
		return errors.New("is not a time after 1970 such as 2026-01-31T12:00:00Z")
	}
	return nil
}

func form(want *regexp.Regexp, problem string) func(string) error {
	return func(s string) error {
		if !want.MatchString(s) {
			return errors.New(problem)
		}
		return nil
	}
}
