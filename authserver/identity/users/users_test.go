// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package users

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/internal/credential"
	"github.com/clientele-dev/clientele/internal/userfile"
)

// Vectors that others have published: of crypt_blowfish and of the reference
// implementation of argon2.
const (
	bcryptUU       = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" // U*U
	bcryptLong     = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui" // 72 bytes, and more that is not looked at
	argon2OneLane  = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	argon2TwoLanes = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
	argon2Large    = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
)

var longPassword = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func listed(name, hash string) userfile.User {
	return userfile.User{
		ID: "id-" + name, Username: name, PasswordHash: hash, Name: "Person " + name,
		Email: name + "@example.com", EmailVerified: true, Groups: []string{"staff", name},
	}
}

func provider(t testing.TB, opts Options, list ...userfile.User) *Provider {
	t.Helper()
	p, err := New(list, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bcryptHash(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func TestAuthenticate(t *testing.T) {
	p := provider(t, Options{},
		listed("ann", bcryptUU), listed("Bob", argon2OneLane), listed("carol", argon2TwoLanes),
		listed("eve", bcryptLong), listed("fay", strings.Replace(bcryptUU, "$2a$", "$2y$", 1)), listed("Ünal", bcryptHash(t, "pässwörd")),
	)
	tests := []struct {
		name, username, password string
		want                     string // ID; none: refused
	}{
		{"bcrypt", "ann", "U*U", "id-ann"},
		{"bcrypt by its other name", "fay", "U*U", "id-fay"},
		{"argon2id", "Bob", "password", "id-Bob"},
		{"argon2id, two lanes", "carol", "password", "id-carol"},
		{"username in another case", "ANN", "U*U", "id-ann"},
		{"username in another case than listed", "bob", "password", "id-Bob"},
		{"not ASCII", "ünal", "pässwörd", "id-Ünal"},
		{"72 bytes", "eve", longPassword, "id-eve"},
		{"wrong password", "ann", "U*V", ""},
		{"wrong password, argon2id", "Bob", "Password", ""},
		{"another's password", "ann", "password", ""},
		{"no password", "ann", "", ""},
		{"no password, argon2id", "Bob", "", ""},
		{"password goes on", "ann", "U*UU", ""},
		{"password with a space", "ann", "U*U ", ""},
		{"password with NUL", "ann", "U*U\x00", ""},
		{"the hash as password", "ann", bcryptUU, ""},
		{"73 bytes, of which bcrypt sees 72", "eve", longPassword + "x", ""},
		{"very many bytes", "eve", strings.Repeat(longPassword, 1000), ""},
		{"very many bytes, argon2id", "Bob", strings.Repeat("password", 1000), ""},
		{"unknown user", "mallory", "U*U", ""},
		{"nobody", "", "", ""},
		{"space around the username", " ann", "U*U", ""},
		{"ID instead of username", "id-ann", "U*U", ""},
		{"email instead of username", "ann@example.com", "U*U", ""},
		{"very long username", strings.Repeat("ann", 10000), "U*U", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := p.Authenticate(t.Context(), tt.username, credential.New(tt.password))
			if tt.want == "" {
				if !errors.Is(err, identity.ErrRefused) || !reflect.DeepEqual(got, identity.Person{}) {
					t.Errorf("Authenticate = %+v, %v, want ErrRefused and nobody", got, err)
				}
				return
			}
			if err != nil || got.ID != tt.want {
				t.Errorf("Authenticate = %+v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

// TestAuthenticate_MostMemory has a list of its own: its work is everybody's.
func TestAuthenticate_MostMemory(t *testing.T) {
	p := provider(t, Options{}, listed("dave", argon2Large))
	if got, err := p.Authenticate(t.Context(), "dave", credential.New("password")); err != nil || got.ID != "id-dave" {
		t.Errorf("Authenticate = %+v, %v, want id-dave", got, err)
	}
}

func TestPerson(t *testing.T) {
	p := provider(t, Options{}, listed("ann", bcryptUU))
	want := identity.Person{
		ID: "id-ann", Username: "ann", Name: "Person ann", Email: "ann@example.com", EmailVerified: true, Groups: []string{"staff", "ann"},
	}
	for range 2 { // what is done to one answer must not be in the next
		signedIn, err := p.Authenticate(t.Context(), "ann", credential.New("U*U"))
		if err != nil || !reflect.DeepEqual(signedIn, want) {
			t.Errorf("Authenticate = %+v, %v, want %+v", signedIn, err, want)
		}
		found, err := p.Lookup(t.Context(), "id-ann")
		if err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("Lookup = %+v, %v, want %+v", found, err, want)
		}
		signedIn.Groups[0], found.Groups[0] = "changed", "changed"
	}
	for _, id := range []string{"", "ann", "ID-ann", "id-bob"} {
		if got, err := p.Lookup(t.Context(), id); !errors.Is(err, identity.ErrUnknown) || got.ID != "" {
			t.Errorf("Lookup(%q) = %+v, %v, want ErrUnknown", id, got, err)
		}
	}
}

// TestAuthenticate_ConstantWork counts what is verified: whoever logs in and
// however it ends, it is one hash of each kind and cost in the list, in one order.
func TestAuthenticate_ConstantWork(t *testing.T) {
	cost10 := "$2b$10$" + bcryptUU[7:]
	p := provider(t, Options{}, listed("ann", bcryptUU), listed("bob", argon2OneLane), listed("carol", argon2TwoLanes), listed("dave", cost10), listed("fay", bcryptUU))
	var did []work
	p.matches = func(h hash, password []byte) bool {
		did = append(did, h.work)
		return h.bcryptCost != 10 && h.matches(password) // its work is not to be done in a test
	}
	want := []work{
		{bcryptCost: 5}, {memory: 256, passes: 2, threads: 1, salt: 8, key: 32},
		{memory: 256, passes: 2, threads: 2, salt: 8, key: 32}, {bcryptCost: 10},
	}
	for _, login := range [][2]string{
		{"ann", "U*U"}, {"ann", "wrong"}, {"bob", "password"}, {"bob", "wrong"}, {"dave", "wrong"}, {"mallory", "wrong"},
		{"mallory", "password"}, {"", ""}, {"ann", strings.Repeat("x", 5000)}, {"mallory", strings.Repeat("x", 5000)},
		{strings.Repeat("x", 5000), "wrong"},
	} {
		did = nil
		_, _ = p.Authenticate(t.Context(), login[0], credential.New(login[1]))
		if !slices.Equal(did, want) {
			t.Errorf("%.20q, %.20q: verified %v, want %v", login[0], login[1], did, want)
		}
	}
}

// TestAuthenticate_DummyLetsNobodyIn: a password that fits a dummy is nobody's.
func TestAuthenticate_DummyLetsNobodyIn(t *testing.T) {
	p := provider(t, Options{}, listed("ann", bcryptUU), listed("bob", argon2OneLane))
	p.matches = func(h hash, _ []byte) bool { return string(h.bcrypt) != bcryptUU }
	for _, name := range []string{"ann", "mallory", ""} {
		if got, err := p.Authenticate(t.Context(), name, credential.New("x")); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("%q: Authenticate = %+v, %v, want ErrRefused", name, got, err)
		}
	}
}

// TestAuthenticate_EmptyList does the work of a list of our own advice.
func TestAuthenticate_EmptyList(t *testing.T) {
	p := provider(t, Options{})
	var did []work
	p.matches = func(h hash, _ []byte) bool { did = append(did, h.work); return true }
	if _, err := p.Authenticate(t.Context(), "ann", credential.New("x")); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("Authenticate = %v, want ErrRefused", err)
	}
	if want := []work{{bcryptCost: 10}}; !slices.Equal(did, want) {
		t.Errorf("verified %v, want %v", did, want)
	}
}

// TestDummy: a dummy is well formed, so that verifying it does the work.
func TestDummy(t *testing.T) {
	for _, w := range []work{{bcryptCost: bcrypt.MinCost}, {memory: 64, passes: 1, threads: 1, salt: 16, key: 32}} {
		d := w.dummy()
		if d.work != w {
			t.Errorf("dummy of %+v is work %+v", w, d.work)
		}
		if w.bcryptCost > 0 {
			err := bcrypt.CompareHashAndPassword(d.bcrypt, []byte("x"))
			if !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
				t.Errorf("verifying the dummy: %v, want a mismatch", err)
			}
		}
		if d.matches([]byte("x")) || d.matches(nil) {
			t.Error("a dummy has a password")
		}
	}
}

func TestNew_Refuses(t *testing.T) {
	noID := listed("ann", bcryptUU)
	noID.ID = ""
	sameID := listed("bob", bcryptUU)
	sameID.ID = "id-ann"
	tests := []struct {
		name string
		list []userfile.User
	}{
		{"no username", []userfile.User{listed("", bcryptUU)}},
		{"no id", []userfile.User{noID}},
		{"username twice", []userfile.User{listed("ann", bcryptUU), listed("ann", bcryptUU)}},
		{"username twice but for case", []userfile.User{listed("ann", bcryptUU), listed("Ann", bcryptUU)}},
		{"id twice", []userfile.User{listed("ann", bcryptUU), sameID}},
		{"no hash", []userfile.User{listed("ann", "")}},
		{"plaintext", []userfile.User{listed("ann", "hunter2")}},
		{"bcrypt too costly", []userfile.User{listed("ann", "$2a$15$"+bcryptUU[7:])}},
		{"argon2i", []userfile.User{listed("ann", strings.Replace(argon2OneLane, "argon2id", "argon2i", 1))}},
		{"argon2id of no passes", []userfile.User{listed("ann", strings.Replace(argon2OneLane, "t=2", "t=0", 1))}},
		{"argon2id too costly", []userfile.User{listed("ann", strings.Replace(argon2OneLane, "m=256", "m=9999999", 1))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.list, Options{})
			if err == nil {
				t.Fatal("New succeeded, want an error")
			}
			if hash := tt.list[0].PasswordHash; hash != "" && strings.Contains(err.Error(), hash[len(hash)/2:]) {
				t.Errorf("error %q holds the hash", err)
			}
		})
	}
}

// blocking is a provider whose verifications wait, and count how many run at once.
func blocking(t *testing.T, gate *Gate) (p *Provider, release chan struct{}, most *atomic.Int64) {
	p = provider(t, Options{Gate: gate}, listed("ann", bcryptUU))
	release, most = make(chan struct{}), new(atomic.Int64)
	var running atomic.Int64
	p.matches = func(hash, []byte) bool {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		return true
	}
	return p, release, most
}

// TestGate fills turns and queue: one more is told so at once, the others come in
// turn, and only so many run at a time.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const turns, queue = 2, 3
		p, release, most := blocking(t, NewGate(turns, queue))
		results := make(chan error, turns+queue)
		for range turns + queue {
			go func() {
				_, err := p.Authenticate(t.Context(), "ann", credential.New("x"))
				results <- err
			}()
		}
		synctest.Wait()
		if _, err := p.Authenticate(t.Context(), "ann", credential.New("x")); !errors.Is(err, identity.ErrBusy) {
			t.Errorf("one too many: Authenticate = %v, want ErrBusy", err)
		}
		for range turns + queue {
			release <- struct{}{}
			if err := <-results; err != nil {
				t.Errorf("Authenticate = %v, want success", err)
			}
			synctest.Wait()
		}
		if got := most.Load(); got != turns {
			t.Errorf("%d were verified at once, want %d", got, turns)
		}
		close(release)
		if _, err := p.Authenticate(t.Context(), "ann", credential.New("x")); err != nil {
			t.Errorf("afterwards: Authenticate = %v, want success", err)
		}
	})
}

// TestGate_ContextEnds: who gives up leaves the queue to others.
func TestGate_ContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, release, _ := blocking(t, NewGate(1, 1))
		first := make(chan error, 1)
		go func() {
			_, err := p.Authenticate(t.Context(), "ann", credential.New("x"))
			first <- err
		}()
		synctest.Wait()
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := p.Authenticate(ctx, "ann", credential.New("x"))
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, identity.ErrRefused) {
				t.Errorf("Authenticate = %v, want the context's error", err)
			}
			cancel()
		}
		close(release)
		if err := <-first; err != nil {
			t.Errorf("Authenticate = %v, want success", err)
		}
	})
}

// TestGate_Shared: two providers of one process have one bound.
func TestGate_Shared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(1, -1)
		a, release, _ := blocking(t, gate)
		b := provider(t, Options{Gate: gate}, listed("bob", bcryptUU))
		go func() { _, _ = a.Authenticate(t.Context(), "ann", credential.New("x")) }()
		synctest.Wait()
		if _, err := b.Authenticate(t.Context(), "bob", credential.New("U*U")); !errors.Is(err, identity.ErrBusy) {
			t.Errorf("Authenticate = %v, want ErrBusy", err)
		}
		close(release)
		synctest.Wait()
		if _, err := b.Authenticate(t.Context(), "bob", credential.New("U*U")); err != nil {
			t.Errorf("Authenticate = %v, want success", err)
		}
	})
}

// TestGate_PanicGivesTheTurnBack: one bad hash must not lock everybody out.
func TestGate_PanicGivesTheTurnBack(t *testing.T) {
	p := provider(t, Options{Gate: NewGate(1, -1)}, listed("ann", bcryptUU))
	p.matches = func(hash, []byte) bool { panic("bad hash") }
	func() {
		defer func() { _ = recover() }()
		_, _ = p.Authenticate(t.Context(), "ann", credential.New("x"))
	}()
	p.matches = hash.matches
	if _, err := p.Authenticate(t.Context(), "ann", credential.New("U*U")); err != nil {
		t.Errorf("Authenticate = %v, want success", err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, cost := range []int{4, 10} {
		p := provider(b, Options{}, listed("ann", fmt.Sprintf("$2b$%02d$%s", cost, bcryptUU[7:])))
		for _, name := range []string{"ann", "mallory"} {
			b.Run(fmt.Sprintf("cost%d/%s", cost, name), func(b *testing.B) {
				for b.Loop() {
					_, _ = p.Authenticate(b.Context(), name, credential.New("x"))
				}
			})
		}
	}
}
