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

// documented is a test as docs/ names it: `TestOfThisPackage` or
// `path/of/package.TestThere`, and after a slash the name of a subtest.
var documented = regexp.MustCompile("`(?:([a-z0-9/]+)\\.)?((?:Test|Fuzz)[A-Z]\\w*)(?:/([^`]+))?`")

// readDoc returns a page of docs/.
func readDoc(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// checkTestsExist finds tests that a page names and that are not there.
func checkTestsExist(t *testing.T, page string) {
	t.Helper()
	named := documented.FindAllStringSubmatch(page, -1)
	if len(named) == 0 {
		t.Fatal("the page names no test")
	}
	code := map[string]string{}
	for _, m := range named {
		dir, test, sub := m[1], m[2], m[3]
		if dir == "" {
			dir = "authserver"
		}
		if code[dir] == "" {
			code[dir] = testCode(t, dir)
		}
		if !strings.Contains(code[dir], "\nfunc "+test+"(") {
			t.Errorf("there is no %s in %s", test, dir)
		}
		if sub != "" && !strings.Contains(code[dir], `"`+sub+`"`) {
			t.Errorf("%s in %s has no %q", test, dir, sub)
		}
	}
}

// testCode is all test code of a package.
func testCode(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("there are no tests in %s (%v)", dir, err)
	}
	var code strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	return code.String()
}
