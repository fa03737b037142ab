// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
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
	{"the log", []string{"log/slog."}},
	{"metrics", []string{"prometheus/"}},
	{"reading and writing sockets", []string{"syscall.read", "syscall.write", "syscall.Read", "syscall.Write"}},
	{"our handlers", []string{"clientele/authserver.", "clientele/authserver/"}},
	{"net/http", []string{"net/http.", "net/textproto.", "bufio."}},
	{"the scheduler", []string{"runtime.mcall", "runtime.schedule", "runtime.findRunnable", "runtime.mstart", "runtime.sysmon", "runtime.park"}},
}

const (
	otherPart = "other"
	// told is how many packages and functions are named.
	told = 15
)

// explain profiles an operation and tells where the server's CPU goes.
func explain(ctx context.Context, o options, op *operation, out io.Writer) error {
	p, err := op.profile(ctx, o)
	if err != nil {
		return err
	}
	name := filepath.Join(o.dir, strings.ReplaceAll(op.name, " ", "-")+"-"+op.needs.Signs[1]+".prof")
	if err := keep(p, name); err != nil {
		return err
	}
	say(out, "\nWhere the server's CPU goes in a %s with %s, each sample counted once:\n", op.name, op.needs.Signs[1])
	list(out, shares(p, func(s []string) []string { return []string{partOf(s)} }))
	say(out, "\nThe same with what is called from there, by package:\n")
	list(out, shares(p, packages))
	say(out, "\nThe functions that spend most of it themselves:\n")
	list(out, shares(p, func(s []string) []string { return s[:min(1, len(s))] }))
	say(out, "\nMore: go tool pprof -http=: %s", name)
	return nil
}

// profile profiles the server while it does nothing else.
func (op *operation) profile(ctx context.Context, o options) (*profile.Profile, error) {
	o.turn = o.profile
	var raw []byte
	fetched := make(chan error, 1)
	go func() {
		var err error
		raw, err = op.server.Fetch(op.server.Control + "/profile?long=" + o.profile.String())
		fetched <- err
	}()
	if _, err := take(ctx, o, op.server, op.do); err != nil {
		return nil, err
	}
	if err := <-fetched; err != nil {
		return nil, err
	}
	return profile.ParseData(raw)
}

// shares is how much of the CPU belongs to each name that a stack, innermost function
// first, counts for.
func shares(p *profile.Profile, names func(stack []string) []string) map[string]float64 {
	spent, total := map[string]float64{}, 0.0
	for _, s := range p.Sample {
		var stack []string
		for _, l := range s.Location {
			for _, line := range l.Line {
				stack = append(stack, line.Function.Name)
			}
		}
		value := float64(s.Value[len(s.Value)-1])
		total += value
		for _, name := range names(stack) {
			spent[name] += value
		}
	}
	for name := range spent {
		spent[name] /= total
	}
	return spent
}

func partOf(stack []string) string {
	for _, p := range parts {
		for _, word := range p.words {
			if slices.ContainsFunc(stack, func(f string) bool { return strings.Contains(f, word) }) {
				return p.name
			}
		}
	}
	return otherPart
}

// packages are those of a stack, each once.
func packages(stack []string) []string {
	seen := map[string]bool{}
	for _, function := range stack {
		function, _, _ = strings.Cut(function, "[") // what a generic function is of
		dir, rest := filepath.Split(function)
		name, _, _ := strings.Cut(rest, ".")
		seen[dir+name] = true
	}
	return slices.Collect(maps.Keys(seen))
}

// list prints the largest shares.
func list(out io.Writer, of map[string]float64) {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b))
	})
	for _, name := range names[:min(told, len(names))] {
		say(out, "%7.1f%%  %s", 100*of[name], name)
	}
}

// keep writes a profile.
func keep(p *profile.Profile, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o600)
}
