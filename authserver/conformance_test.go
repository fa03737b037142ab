// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformance_TestsExist: docs/conformance.md names no test that is not there.
func TestConformance_TestsExist(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	checkModules(t, string(page))
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(string(page), -1)
	if len(named) == 0 {
		t.Fatal("the page names no test")
	}
	for _, m := range named {
		if !strings.Contains(code.String(), "\nfunc "+m[1]+"(") {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// checkModules finds modules of the OpenID Foundation's plans that the page names and no
// test has, and the other way round.
func checkModules(t *testing.T, page string) {
	t.Helper()
	tests := map[string]bool{}
	for name := range basicModules {
		tests["TestConformance_Basic/"+name], tests["TestConformance_FormPost/"+name] = true, true
	}
	for name := range configModules {
		tests["TestConformance_Config/"+name] = true
	}
	for _, m := range regexp.MustCompile("(?m)`(Test[A-Z]\\w*/[\\w-]+)`").FindAllStringSubmatch(page, -1) {
		if !tests[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
		delete(tests, m[1])
	}
	for name := range tests {
		t.Errorf("the page does not name %s, or names it twice", name)
	}
}
