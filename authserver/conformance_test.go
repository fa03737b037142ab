// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"iter"
	"maps"
	"regexp"
	"testing"
)

// plans are the OpenID Foundation's modules that each of our tests has as subtests.
var plans = map[string]iter.Seq[string]{
	"TestConformance_Basic":             maps.Keys(basicModules),
	"TestConformance_FormPost":          maps.Keys(basicModules),
	"TestConformance_Config":            maps.Keys(configModules),
	"TestConformance_RPInitiatedLogout": maps.Keys(logoutModules),
	"TestConformance_BackChannelLogout": maps.Keys(backchannelModules),
}

// TestConformance_TestsExist: docs/conformance.md names no test that is not there, and
// of every module the tests that have it.
func TestConformance_TestsExist(t *testing.T) {
	page := readDoc(t, "conformance.md")
	checkTestsExist(t, page)
	tests := map[string]bool{}
	for test, modules := range plans {
		for name := range modules {
			tests[test+"/"+name] = true
		}
	}
	// | `module` | `TestOne`, `TestAnother`; a remark |
	row := regexp.MustCompile("(?m)^\\| `(oidcc-[\\w-]+)` \\| (.*) \\|$")
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		named := documented.FindAllStringSubmatch(m[2], -1)
		if len(named) == 0 {
			t.Errorf("no test shows %s", m[1])
		}
		for _, test := range named {
			sub := test[2] + "/" + m[1]
			if !tests[sub] {
				t.Errorf("there is no %s, or it is named twice", sub)
			}
			delete(tests, sub)
		}
	}
	for name := range tests {
		t.Errorf("the page does not name %s", name)
	}
}
