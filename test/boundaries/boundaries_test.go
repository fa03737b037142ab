// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package boundaries holds the import laws: which package must never depend on
// which, and why. It reads the graph that `go list -deps` prints, so it sees what
// comes along indirectly, which a linter that reads one file at a time does not.
package boundaries

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const ours = "github.com/clientele-dev/clientele/"

// layout are the packages that the laws are about. All of them exist: a law about
// a package that was renamed would hold for nothing, and nobody would notice.
var layout = []string{
	ours + "api/v1alpha1",
	ours + "authserver",
	ours + "authserver/backchannel",
	ours + "authserver/clientkeys",
	ours + "authserver/identity",
	ours + "authserver/keys",
	ours + "authserver/oauth",
	ours + "authserver/outbound",
	ours + "authserver/pages",
	ours + "authserver/registry",
	ours + "authserver/registry/kube",
	ours + "authserver/seal",
	ours + "authserver/store",
	ours + "authserver/store/guard",
	ours + "authserver/store/kube",
	ours + "authserver/store/memory",
	ours + "authserver/store/postgres",
	ours + "authserver/store/storetest",
	ours + "authserver/store/sweep",
	ours + "authserver/token",
	ours + "cmd/authserver",
	ours + "cmd/manager",
	ours + "controllers",
	ours + "internal/argon2id",
	ours + "internal/credential",
	ours + "internal/registration",
	ours + "internal/secretdata",
	ours + "internal/userfile",
}

// A law binds packages. Patterns are as in `go list`: a path, or a path and "/..."
// for all below it too.
type law struct {
	of      []string // the packages that it binds,
	except  []string // but for these
	never   []string // what they do not import
	direct  bool     // whether only their own import statements count
	because string
}

var laws = []law{
	{
		of:      []string{ours + "authserver/oauth", ours + "internal/..."},
		except:  []string{ours + "internal/credential", ours + "internal/userfile"},
		never:   []string{ours + "..."},
		because: "everything builds on these, so what they imported would come along everywhere",
	},
	{
		of: []string{ours + "internal/credential", ours + "internal/userfile"},
		never: []string{
			ours + "api/...", ours + "authserver/...", ours + "cmd/...", ours + "controllers/...",
			ours + "internal/credential", ours + "internal/registration", ours + "internal/userfile",
		},
		because: "of ours they share the one password hash, which imports nothing, and stand alone otherwise",
	},
	{
		of:      []string{ours + "internal/..."},
		never:   []string{"k8s.io/...", "sigs.k8s.io/..."},
		because: "what both processes share is plain data, tested without a cluster",
	},
	{
		of:      []string{ours + "internal/..."},
		never:   []string{"net/http"},
		direct:  true,
		because: "what both processes share knows nothing of requests",
	},
	{
		of:      []string{ours + "api/..."},
		never:   []string{ours + "...", "sigs.k8s.io/controller-runtime/..."},
		because: "programs that only read our types import api; they should inherit the types and nothing else",
	},
	{
		of:      []string{ours + "controllers/...", ours + "cmd/manager"},
		never:   []string{ours + "authserver/...", "github.com/golang-jwt/..."},
		because: "the manager and the server are two processes that share records, not code, and the manager has no business with signing keys",
	},
	{
		of:      []string{ours + "controllers/..."},
		never:   []string{"net/http"},
		direct:  true, // client-go speaks HTTP
		because: "the manager serves no requests of its own",
	},
	{
		of:      []string{ours + "authserver/...", ours + "cmd/authserver"},
		never:   []string{ours + "controllers/..."},
		because: "the server runs when the manager does not",
	},
	{
		of:      []string{ours + "authserver/...", ours + "cmd/authserver"},
		except:  []string{ours + "authserver/store/kube", ours + "cmd/authserver"},
		never:   []string{ours + "api/..."},
		because: "the server reads records that the manager has accepted, never what people wrote; of the API it knows its own sessions, grants and consents alone",
	},
	{
		of:      []string{ours + "authserver/..."},
		except:  []string{ours + "authserver/registry/kube", ours + "authserver/store/kube"},
		never:   []string{"k8s.io/...", "sigs.k8s.io/..."},
		because: "requests are answered from memory and stores; only these two speak to Kubernetes, so all else is tested and run without it",
	},
	{
		of:      []string{ours + "..."},
		except:  []string{ours + "cmd/authserver", ours + "test/..."},
		never:   []string{ours + "authserver/registry/kube", ours + "authserver/store/kube", ours + "authserver/store/postgres"},
		direct:  true,
		because: "main alone decides where records and grants live",
	},
	{
		of:      []string{ours + "..."},
		except:  []string{ours + "authserver/store/postgres", ours + "test/..."},
		never:   []string{"github.com/jackc/...", "database/sql"},
		direct:  true,
		because: "one package speaks to a database, so that what is committed, and when, is decided in one place",
	},
	{
		of:      []string{ours + "..."},
		except:  []string{ours + "authserver/token"},
		never:   []string{"github.com/golang-jwt/..."},
		direct:  true,
		because: "one package signs and verifies, so that every rule about tokens is in one place",
	},
	{
		of:      []string{ours + "authserver/backchannel"},
		never:   []string{ours + "...", "github.com/golang-jwt/..."},
		because: "it tells whom it is asked to tell what it is given; who that is, and with which token, is decided elsewhere",
	},
	{
		of:      []string{ours + "authserver/outbound"},
		never:   []string{ours + "..."},
		because: "where the server's requests may go is decided by addresses alone, whoever asks",
	},
	{
		of:      []string{ours + "..."},
		except:  []string{ours + "cmd/...", ours + "examples/...", ours + "hack/...", ours + "test/..."},
		never:   []string{"flag", "github.com/spf13/pflag"},
		direct:  true,
		because: "flags belong to commands; packages take a Config",
	},
	{
		of:      []string{ours + "cmd/..."},
		never:   []string{ours + "authserver/store/storetest", ours + "test/...", "github.com/onsi/..."},
		because: "test code does not ship",
	},
}

func TestLaws(t *testing.T) {
	graph := goList(t)
	for _, p := range layout {
		if _, ok := graph[p]; !ok {
			t.Errorf("package %s is gone: if it was renamed, rename it in the laws and in .golangci.yml too", p)
		}
	}
	for _, v := range violations(graph, laws) {
		t.Error(v)
	}
}

// The laws are only as good as what finds their breach.
func TestViolations(t *testing.T) {
	graph := map[string][]string{
		"o/controllers":      {"o/shared", "fmt"},
		"o/controllers/sub":  {"o/server/token"},
		"o/controllersextra": {"jwt/v5"},
		"o/shared":           {"middle"},
		"o/server/token":     {"jwt/v5"},
		"middle":             {"jwt/v5"},
		"jwt/v5":             {"fmt"},
		"fmt":                nil,
	}
	tests := []struct {
		name string
		law  law
		want []string
	}{
		{"kept", law{of: []string{"o/shared"}, never: []string{"o/..."}}, nil},
		{"broken in the package itself", law{of: []string{"o/server/token"}, never: []string{"jwt/..."}}, []string{
			"o/server/token -> jwt/v5",
		}},
		{"broken indirectly", law{of: []string{"o/controllers"}, never: []string{"jwt/..."}}, []string{
			"o/controllers -> o/shared -> middle -> jwt/v5",
		}},
		{"indirect imports may", law{of: []string{"o/controllers"}, never: []string{"jwt/..."}, direct: true}, nil},
		{"a tree binds what is below, and no namesake", law{of: []string{"o/controllers/..."}, never: []string{"jwt/v5"}}, []string{
			"o/controllers -> o/shared -> middle -> jwt/v5",
			"o/controllers/sub -> o/server/token -> jwt/v5",
		}},
		{"exceptions", law{of: []string{"o/..."}, except: []string{"o/server/..."}, never: []string{"jwt/..."}, direct: true}, []string{
			"o/controllersextra -> jwt/v5",
		}},
		{"the nearest breach is named", law{of: []string{"o/controllers/sub"}, never: []string{"jwt/...", "o/server/..."}}, []string{
			"o/controllers/sub -> o/server/token",
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tc.law.because = "reasons"
			var want []string
			for _, w := range tc.want {
				want = append(want, w+"\n\treasons")
			}
			if got := violations(graph, []law{tc.law}); !slices.Equal(got, want) {
				t.Errorf("got violations %q, want %q", got, want)
			}
		})
	}
}

// violations lists, for every law and package that it binds, the shortest way to
// something forbidden.
func violations(graph map[string][]string, laws []law) []string {
	var found []string
	for _, l := range laws {
		for _, p := range slices.Sorted(maps.Keys(graph)) {
			if !matches(l.of, p) || matches(l.except, p) {
				continue
			}
			if way := wayTo(graph, p, l); way != nil {
				found = append(found, strings.Join(way, " -> ")+"\n\t"+l.because)
			}
		}
	}
	return found
}

// wayTo searches breadth first from p for what l forbids.
func wayTo(graph map[string][]string, p string, l law) []string {
	ways := [][]string{{p}}
	seen := map[string]bool{p: true}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		for _, next := range graph[way[len(way)-1]] {
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(way), next)
			if matches(l.never, next) {
				return longer
			}
			if !l.direct {
				ways = append(ways, longer)
			}
		}
	}
	return nil
}

func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		tree, isTree := strings.CutSuffix(pattern, "/...")
		return path == tree || isTree && strings.HasPrefix(path, tree+"/")
	})
}

// goList returns the imports of every package in the module and below, tests left out.
func goList(t *testing.T) map[string][]string {
	t.Helper()
	const root = "../.."
	openAll(t, root)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	graph := make(map[string][]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return graph
		}
		if err != nil {
			t.Fatalf("decode the output of go list: %v", err)
		}
		graph[p.ImportPath] = p.Imports
	}
}

// openAll opens every directory with sources. The test cache knows only what the
// test itself has opened: without this, a breach that `go list` would find today
// passes as "(cached)".
func openAll(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		generated := d.Name() == "bin" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != root
		if d.IsDir() && generated {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
