// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// longestDir is how long a directory's name may be for a socket in it, which must
// have less than 104 bytes on some systems.
const longestDir = 80

// create makes an empty data directory.
func (s *Server) create(o Options) error {
	var err error
	if s.dir, err = os.MkdirTemp("", "postgres-*"); err != nil {
		return err
	}
	if len(s.dir) > longestDir {
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
		if s.dir, err = os.MkdirTemp("/tmp", "postgres-*"); err != nil {
			return err
		}
	}
	if o.TLS {
		if err := s.makeCertificate(); err != nil {
			return err
		}
	}
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(superPassword), 0o600); err != nil {
		return err
	}
	if err := s.giveAway(); err != nil {
		return err
	}
	// Without sync, initdb is faster by a second; what the server commits is synced.
	initdb := s.command(filepath.Join(s.bin, "initdb"), "--no-sync", "--no-locale", "--encoding=UTF8",
		"--auth=scram-sha-256", "--username="+superuser, "--pwfile="+password, "--pgdata="+s.data())
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.configure(o)
}

// configure adds to the configuration that initdb wrote: the last of a name counts.
func (s *Server) configure(o Options) error {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": s.dir,
		"port":                    strconv.Itoa(s.port),
		"fsync":                   "on",
		"synchronous_commit":      "on",
		"full_page_writes":        "on",
		"max_connections":         "300",
		// Neither the machine's zone nor UTC: whoever mixes up times must be caught.
		"timezone": "Asia/Kathmandu",
		// What a killed server leaves behind is in its directory, and goes with it.
		"dynamic_shared_memory_type": "mmap",
		"logging_collector":          "off",
		"log_destination":            "stderr",
	}
	if s.ca != "" {
		settings["listen_addresses"] = "127.0.0.1"
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = filepath.Join(s.dir, "server.crt")
		settings["ssl_key_file"] = filepath.Join(s.dir, "server.key")
	}
	maps.Copy(settings, o.Settings)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	if err == nil && s.ca != "" {
		hba := "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
		err = os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(hba), 0o600)
	}
	return cmpErr(err, f.Close())
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// command is one that runs as the server's user.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // it ends with the server
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid, gid, other := otherUser(); other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return cmd
}

// otherUser is who the server runs as if we are root, as which it refuses to.
func otherUser() (uid, gid uint32, other bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(uid), uint32(gid), true
		}
	}
	return 65534, 65534, true
}

// giveAway makes all that there is the server's user's.
func (s *Server) giveAway() error {
	uid, gid, other := otherUser()
	if !other {
		return nil
	}
	return filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(uid), int(gid))
	})
}

// versions lists directories by the number in their names, the newest first.
func versions(patterns ...string) []string {
	var dirs []string
	for _, p := range patterns {
		found, _ := filepath.Glob(p) // the patterns are good
		dirs = append(dirs, found...)
	}
	number := regexp.MustCompile(`[0-9]+`)
	slices.SortStableFunc(dirs, func(a, b string) int {
		x, _ := strconv.Atoi(number.FindString(a))
		y, _ := strconv.Atoi(number.FindString(b))
		return y - x
	})
	return dirs
}

// freePort returns a port of the loopback interface that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening does not wait
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
