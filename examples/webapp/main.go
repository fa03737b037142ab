// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command webapp is an example of an app that signs people in with the credentials
// that an OAuthClient's Secret holds. It uses golang.org/x/oauth2 and coreos/go-oidc
// and knows nothing of Clientele: any OpenID Provider would do.
//
// Read login.go for the sign-in, credentials.go for the mounted Secret, and
// resourceserver.go for an API that accepts the access tokens.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "webapp:", err)
		os.Exit(1)
	}
}

// config is what the command line says.
type config struct {
	credentials string
	listen      string
	url         string
	scopes      []string
}

func parse(args []string, errs io.Writer) (config, error) {
	var c config
	var scopes string
	f := flag.NewFlagSet("webapp", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&c.credentials, "credentials-dir", "", "the folder that the OAuthClient's Secret is mounted as (required)")
	f.StringVar(&c.listen, "listen", "127.0.0.1:9097", "the address to listen on")
	f.StringVar(&c.url, "url", "http://localhost:9097", "where browsers find this app; URL/callback must be one of the OAuthClient's redirectURIs")
	f.StringVar(&scopes, "scopes", "openid profile email groups offline_access", "the scopes to ask for")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if c.credentials == "" {
		return c, errors.New("--credentials-dir is missing: name the folder that the Secret is mounted as")
	}
	c.url = strings.TrimSuffix(c.url, "/")
	c.scopes = strings.Fields(scopes)
	return c, nil
}

func run(ctx context.Context, args []string, errs io.Writer) error {
	c, err := parse(args, errs)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errs, nil))
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{
		Handler:           newApp(c, "http://"+listener.Addr().String(), log).routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	log.Info("Serving", "url", c.url, "address", listener.Addr().String())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}
