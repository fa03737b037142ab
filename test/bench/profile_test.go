// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/pprof/profile"

	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

// parts are what a flow's CPU is spent on. A stack belongs to the first part of
// which a function's name contains one of the words.
var parts = []struct {
	name  string
	words []string
}{
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"RS256 signature", []string{"crypto/rsa."}},
	{"ES256 signature", []string{"crypto/ecdsa."}},
	{"sealing and opening", []string{"authserver/seal."}},
	{"claims to JWT", []string{"authserver/token.", "golang-jwt/"}},
	{"the store", []string{"authserver/store/"}},
	{"reading and writing sockets", []string{"syscall.read", "syscall.write", "syscall.Read", "syscall.Write"}},
	{"our handlers", []string{"clientele/authserver.", "clientele/authserver/"}},
	{"net/http", []string{"net/http.", "net/textproto.", "bufio."}},
	{"the scheduler", []string{"runtime.mcall", "runtime.schedule", "runtime.findRunnable", "runtime.mstart", "runtime.sysmon", "runtime.park"}},
}

const otherPart = "other"

// explain prints where the server's CPU goes in a code flow.
func explain(out io.Writer) error {
	shares := map[string]map[string]float64{}
	for _, alg := range []string{keys.RS256, keys.ES256} {
		p, err := profileOf(alg)
		if err != nil {
			return err
		}
		shares[alg] = split(p)
		if err := keep(p, alg); err != nil {
			return err
		}
		if alg == keys.ES256 {
			defer top(out, p, 15)
		}
	}
	_, _ = fmt.Fprintf(out, "\nWhere the server's CPU goes in a code flow, by the ID token's algorithm:\n\n%8s%8s\n", keys.RS256, keys.ES256)
	names := slices.SortedFunc(maps.Keys(shares[keys.ES256]), func(a, b string) int {
		return cmp.Or(cmp.Compare(shares[keys.ES256][b], shares[keys.ES256][a]), cmp.Compare(a, b))
	})
	for name := range shares[keys.RS256] {
		if !slices.Contains(names, name) {
			names = append([]string{name}, names...)
		}
	}
	for _, name := range names {
		_, _ = fmt.Fprintf(out, "%7.1f%%%7.1f%%  %s\n", 100*shares[keys.RS256][name], 100*shares[keys.ES256][name], name)
	}
	return nil
}

// profileOf profiles a server under code flows.
func profileOf(alg string) (*profile.Profile, error) {
	s, err := start(alg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Stop() }()
	a, err := codeflow.NewApp(s, alg, "openid", "profile", "email", "groups")
	if err != nil {
		return nil, err
	}
	var done atomic.Bool
	failed := make(chan error, 1)
	go func() {
		w := work{workers: 8, do: func(int) error {
			if done.Load() {
				return io.EOF
			}
			_, err := a.Flow()
			return err
		}}
		_, err := w.run(1 << 20)
		failed <- err
	}()
	raw, err := s.Fetch(s.Control + "/profile")
	done.Store(true)
	if werr := <-failed; werr != io.EOF { //nolint:errorlint // it is the very one above
		return nil, fmt.Errorf("flows under the profiler: %w", werr)
	}
	if err != nil {
		return nil, err
	}
	return profile.ParseData(raw)
}

// split is each part's share of the CPU.
func split(p *profile.Profile) map[string]float64 {
	spent, total := map[string]float64{}, 0.0
	for _, s := range p.Sample {
		value := float64(s.Value[len(s.Value)-1])
		spent[partOf(s)] += value
		total += value
	}
	for name := range spent {
		spent[name] /= total
	}
	return spent
}

func partOf(s *profile.Sample) string {
	var stack []string
	for _, l := range s.Location {
		for _, line := range l.Line {
			stack = append(stack, line.Function.Name)
		}
	}
	for _, p := range parts {
		for _, word := range p.words {
			if slices.ContainsFunc(stack, func(f string) bool { return strings.Contains(f, word) }) {
				return p.name
			}
		}
	}
	return otherPart
}

// top prints the functions that spend most, alone and with what they call.
func top(out io.Writer, p *profile.Profile, n int) {
	flat, cum, total := map[string]int64{}, map[string]int64{}, int64(0)
	for _, s := range p.Sample {
		value := s.Value[len(s.Value)-1]
		total += value
		seen := map[string]bool{}
		for i, l := range s.Location {
			for j, line := range l.Line {
				name := line.Function.Name
				if i == 0 && j == 0 {
					flat[name] += value
				}
				if !seen[name] {
					seen[name] = true
					cum[name] += value
				}
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(flat), func(a, b string) int {
		return cmp.Or(cmp.Compare(flat[b], flat[a]), cmp.Compare(a, b))
	})
	_, _ = fmt.Fprintf(out, "\nThe functions that spend most of it with %s (alone, and with what they call):\n\n", keys.ES256)
	for _, name := range names[:min(n, len(names))] {
		_, _ = fmt.Fprintf(out, "%7.1f%%%7.1f%%  %s\n", percent(flat[name], total), percent(cum[name], total), name)
	}
	_, _ = fmt.Fprintf(out, "\nMore: go tool pprof -http=: %s\n", filepath.Join("artefacts", file(keys.ES256)))
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(whole) }

func file(alg string) string { return "code-flow-" + alg + ".prof" }

// keep writes a profile where tests keep what is worth looking at.
func keep(p *profile.Profile, alg string) error {
	dir := filepath.Join("..", "..", "artefacts")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, file(alg)), b.Bytes(), 0o600)
}
