// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/userfile"
)

// asChild makes the test binary a child process: it prints its arguments and then
// ends, waits for SIGTERM, or ignores it.
const asChild = "RUN_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(asChild) {
	case "":
		os.Exit(m.Run())
	case "dies":
		_, _ = os.Stderr.WriteString("first line\nI cannot go on\n")
		os.Exit(3)
	case "lives":
		_, _ = os.Stdout.WriteString("alive\n")
		time.Sleep(time.Minute) //nolint:forbidigo // it waits to be ended
	}
}

// newStage returns a stage whose programs are this test binary.
func newStage(t *testing.T, child string) (*stage, context.Context) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asChild, child)
	ctx, fail := context.WithCancelCause(t.Context())
	t.Cleanup(func() { fail(nil) })
	return &stage{config: config{dir: t.TempDir(), bin: filepath.Dir(self), out: io.Discard}, fail: fail}, ctx
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(path)
}

func TestChild_Dies(t *testing.T) {
	s, ctx := newStage(t, "dies")
	if err := s.start("manager", self(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	got := context.Cause(ctx).Error()
	for _, want := range []string{"manager ended: exit status 3", "manager.log", "    I cannot go on"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, which lacks %q", got, want)
		}
	}
}

func TestChild_Stops(t *testing.T) {
	s, ctx := newStage(t, "lives")
	if err := s.start("app", self(t)); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal(context.Cause(ctx))
	}
	if err := s.children[0].stop(10 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestChild_Missing(t *testing.T) {
	s, _ := newStage(t, "")
	if err := s.start("manager", "no-such-program"); err == nil || !strings.Contains(err.Error(), "start manager") {
		t.Errorf("got %v", err)
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := strings.Repeat(strings.Repeat("x", 99)+"\n", 1000) + "last but one\nlast\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := tail(path, 2), "    last but one\n    last"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tail(path+"none", 2); got != "" {
		t.Errorf("got %q of no file", got)
	}
}

func TestPort(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().(*net.TCPAddr).Port
	t.Setenv("CLIENTELE_PORT", strconv.Itoa(taken))
	if _, err := port("CLIENTELE_PORT", 1); err == nil || !strings.Contains(err.Error(), "CLIENTELE_PORT=") {
		t.Errorf("a port in use: got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := port("CLIENTELE_PORT", 1); err != nil || got != taken {
		t.Errorf("a free port: got %d, %v", got, err)
	}
	for _, bad := range []string{"http", "0", "65536", "-1"} {
		t.Setenv("CLIENTELE_PORT", bad)
		if _, err := port("CLIENTELE_PORT", 1); err == nil || !strings.Contains(err.Error(), "CLIENTELE_PORT is") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestClaim(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	unlock, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "env"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), "another make run") {
		t.Errorf("while it is claimed: got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "env")); err != nil {
		t.Error("the one that was refused has removed what is in use")
	}
	unlock()
	unlock, err = claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, "env")); err == nil {
		t.Error("a stale env is there")
	}
}

func TestUsersFile(t *testing.T) {
	people := invite()
	text, err := usersFile(people)
	if err != nil {
		t.Fatal(err)
	}
	users, err := userfile.Parse([]byte(text))
	if err != nil || len(users) != len(people) {
		t.Fatalf("got %d users, %v", len(users), err)
	}
	if bcrypt.CompareHashAndPassword([]byte(users[0].PasswordHash), []byte(people[0].password)) != nil {
		t.Errorf("%s cannot sign in", people[0].username)
	}
	if users[0].PhoneNumber == "" || users[0].Address.Locality == "" {
		t.Errorf("%s has no phone number or no address for an app to read", people[0].username)
	}
	if again := invite(); again[0].password == people[0].password {
		t.Error("two runs have one password")
	}
}

// The files that a cluster installs are the ones that are installed here.
func TestResources(t *testing.T) {
	files, err := resources(filepath.Join("..", "..", "config", "rbac"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, file := range files {
		objects, err := decode(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			kinds = append(kinds, o.GetKind()+" "+o.GetName())
		}
	}
	for _, want := range []string{"ServiceAccount manager", "ServiceAccount authserver", "RoleBinding clientele-authserver", "ClusterRoleBinding clientele-manager"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("got %v, which lacks %s", kinds, want)
		}
	}
}

func TestUnready(t *testing.T) {
	condition := func(name string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: name, Status: status, Reason: "Because", Message: "of this"}
	}
	for name, tc := range map[string]struct {
		conditions []metav1.Condition
		want       string
	}{
		"none":  {nil, "no conditions yet"},
		"ready": {[]metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionTrue)}, ""},
		"not":   {[]metav1.Condition{condition(v1alpha1.ConditionRegistered, metav1.ConditionUnknown)}, "Registered is Unknown: Because: of this"},
	} {
		got := ""
		if err := unready(tc.conditions); err != nil {
			got = err.Error()
		}
		if got != tc.want && (tc.want == "" || !strings.Contains(got, tc.want)) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestShow(t *testing.T) {
	var b strings.Builder
	s := &stage{config: config{dir: t.TempDir(), serverPort: 9096, appPort: 9097, out: &b}, people: invite()}
	if err := s.show(); err != nil {
		t.Fatal(err)
	}
	if err := s.writeEnv(); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(s.path("env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://localhost:9096", "http://localhost:9097", s.people[0].password, s.people[1].password, s.path("kubeconfig")} {
		if !strings.Contains(b.String(), want) || !strings.Contains(string(env), want) {
			t.Errorf("%s is missing on the screen or in env", want)
		}
	}
	if lines := strings.Count(b.String(), "\n"); lines > 24 {
		t.Errorf("the screen has %d lines, which is more than one screen", lines)
	}
}
