// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var functionRow = regexp.MustCompile("(?m)^\\| `([A-Za-z0-9]+)` \\| `({{.*}})` \\| `(.*?)`(, and a line break)? \\|$")

// docs/templates.md has every function, with an example that gives what it says.
func TestDocs_Functions(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "templates.md"))
	if err != nil {
		t.Fatal(err)
	}
	f := facts()
	f.RedirectURIs = []string{"https://wiki.example.com/cb"}
	var names []string
	for _, row := range functionRow.FindAllStringSubmatch(string(page), -1) {
		names = append(names, row[1])
		if !strings.Contains(row[2], row[1]+" ") {
			t.Errorf("the example of %s does not use it", row[1])
		}
		want := row[3]
		if row[4] != "" {
			want += "\n"
		}
		if got, failed := rendered(row[2], f); failed != nil || got != want {
			t.Errorf("%s = %q, %v, but the page says %q", row[2], got, failed, want)
		}
	}
	slices.Sort(names)
	if want := Functions(); !slices.Equal(names, want) {
		t.Errorf("the page has the functions %v, not %v", names, want)
	}
}
