// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// threats are the sections that describe one, or what is to be done about it, of the two
// documents: all that have no sections of their own.
var threats = map[string]string{
	"## RFC 9700": "4.1.1 4.1.2 4.1.3 4.2.1 4.2.2 4.2.3 4.2.4 4.3.1 4.3.2 4.4.1 4.4.2.1 4.4.2.2 4.5.1 4.5.2 4.5.3.1 4.5.3.2 4.5.3.3 4.5.4 " +
		"4.6.1 4.7.1 4.8.1 4.8.2 4.9.1 4.9.2 4.9.3 4.10.1 4.10.2 4.10.3 4.11.1 4.11.2 4.12 4.13 4.14.1 4.14.2 4.15.1 4.16 4.17.1.1 4.17.1.2 4.17.1.3 4.17.2",
	"## RFC 6819": "4.1.1 4.1.2 4.1.3 4.1.4 4.1.5 4.2.1 4.2.2 4.2.3 4.2.4 4.3.1 4.3.2 4.3.3 4.3.4 4.3.5 " +
		"4.4.1.1 4.4.1.2 4.4.1.3 4.4.1.4 4.4.1.5 4.4.1.6 4.4.1.7 4.4.1.8 4.4.1.9 4.4.1.10 4.4.1.11 4.4.1.12 4.4.1.13 " +
		"4.4.2.1 4.4.2.2 4.4.2.3 4.4.2.4 4.4.2.5 4.4.2.6 4.4.3.1 4.4.3.2 4.4.3.3 4.4.3.4 4.4.3.5 4.4.3.6 4.4.4 " +
		"4.5.1 4.5.2 4.5.3 4.5.4 4.6.1 4.6.2 4.6.3 4.6.4 4.6.5 4.6.6 4.6.7",
}

// TestThreatModel: docs/threat-model.md has every threat of both documents once, says of
// each what shows the answer, or that there is none, and names no test that is not there.
func TestThreatModel(t *testing.T) {
	page := readDoc(t, "threat-model.md")
	checkTestsExist(t, page)
	chapters := regexp.MustCompile(`(?m)^## .*$`)
	titles, texts := chapters.FindAllString(page, -1), chapters.Split(page, -1)[1:]
	for title, want := range threats {
		at := slices.Index(titles, title)
		if at < 0 {
			t.Errorf("there is no %q", title)
			continue
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^\| ([\d.]+) \|`).FindAllStringSubmatch(texts[at], -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s has %v", title, got)
		}
	}
	for i, text := range texts {
		_, rows, ok := strings.Cut(text, "| shown by |\n")
		if !ok {
			continue
		}
		for _, row := range regexp.MustCompile(`(?m)^\| [^-].*$`).FindAllString(rows, -1) {
			if said := strings.ToLower(row); !documented.MatchString(row) && !strings.Contains(said, "not answered") && !strings.Contains(said, "not applicable") {
				t.Errorf("%s: nothing shows it, and it is not called so: %s", titles[i], row)
			}
		}
	}
}
