// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// verb is one of fmt's verbs, with a width and a precision that cannot make much of
// little. A star would take them from an argument.
var verb = regexp.MustCompile(`^%[-+# 0]*[0-9]{0,2}(\.[0-9]{0,2})?[sdqvtxXfg]`)

var (
	errVerb  = errors.New("its format has a % that is not followed by one of s, d, q, v, t, x, f and g, perhaps after flags, a width and a precision below 100; write %% for the character itself")
	errCount = errors.New("its format has not as many verbs as there are arguments")
	errFits  = errors.New("an argument does not fit its verb")
)

// printf formats one verb after the other, and stops at the first that makes the
// result too long.
func (m *meter) printf(format any, all ...any) (string, error) {
	f, err := m.read(format)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for f != "" {
		var part string
		if part, f, all, err = m.next(f, all); err != nil {
			return "", err
		}
		if b.Len()+len(part) > MaxResult {
			return "", errResult
		}
		b.WriteString(part)
	}
	if len(all) > 0 {
		return "", errCount
	}
	return m.write(b.String())
}

// next is what the beginning of format makes, and what of it and of the arguments
// is left then.
func (m *meter) next(format string, all []any) (string, string, []any, error) {
	if at := strings.IndexByte(format, '%'); at != 0 {
		if at < 0 {
			at = len(format)
		}
		return format[:at], format[at:], all, nil
	}
	if rest, ok := strings.CutPrefix(format, "%%"); ok {
		return "%", rest, all, nil
	}
	v := verb.FindString(format)
	switch {
	case v == "":
		return "", "", nil, errVerb
	case len(all) == 0:
		return "", "", nil, errCount
	}
	part, err := m.format(v, all[0])
	return part, format[len(v):], all[1:], err
}

// format formats one value. It is at most about six times as long.
func (m *meter) format(v string, value any) (string, error) {
	if _, err := m.read(value); err != nil {
		return "", err
	}
	fits := false
	switch value.(type) {
	case string:
		fits = strings.ContainsAny(v[len(v)-1:], "sqvxX")
	case bool:
		fits = strings.ContainsAny(v[len(v)-1:], "tv")
	case int:
		fits = strings.ContainsAny(v[len(v)-1:], "dvxX")
	case float64:
		fits = strings.ContainsAny(v[len(v)-1:], "fgv")
	}
	if !fits {
		return "", errFits
	}
	return m.write(fmt.Sprintf(v, value))
}
