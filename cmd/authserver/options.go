// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// options are the flags.
type options struct {
	namespace  string
	replica    string
	kubeconfig string

	httpAddress  string
	httpsAddress string
	opsAddress   string
	certFile     string
	keyFile      string

	// store is where sessions, grants and consents are: one of the constants below.
	store           string
	postgresURIFile string
	sessionCache    time.Duration
	maxRequests     int

	// What app teams name as places to ask; see options.outbound.
	outboundAllow  string
	outboundCAFile string

	shutdownDelay time.Duration
	logLevel      string
	logFormat     string
}

// What --store can be.
const (
	storeKubernetes = "kubernetes"
	storePostgres   = "postgres"
	storeMemory     = "memory"
)

func parseOptions(args []string, getenv func(string) string, output io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("authserver", flag.ContinueOnError)
	f.SetOutput(output)
	f.StringVar(&o.namespace, "namespace", "clientele-system", "the system `namespace`, which holds the records of issuers and clients")
	f.StringVar(&o.replica, "replica-name", getenv("POD_NAME"), "this replica's `name` among all replicas; without it and $POD_NAME, the host name")
	f.StringVar(&o.kubeconfig, "kubeconfig", getenv("KUBECONFIG"), "`file` that says how to reach the Kubernetes API; without it and $KUBECONFIG, as in a Pod")
	f.StringVar(&o.httpAddress, "http-address", ":8080", "`address` to serve plain http on, for an ingress that ends TLS; empty for none")
	f.StringVar(&o.httpsAddress, "https-address", ":8443", "`address` to serve https on; needs --tls-cert-file and --tls-key-file")
	f.StringVar(&o.opsAddress, "ops-address", ":8081", "`address` of /healthz, /readyz and /metrics, which the public must not reach")
	f.StringVar(&o.certFile, "tls-cert-file", "", "`file` with the certificate chain (PEM); read again when it changes, and may appear later")
	f.StringVar(&o.keyFile, "tls-key-file", "", "`file` with the certificate's private key (PEM)")
	f.StringVar(&o.store, "store", storeKubernetes, "where sessions, grants and consents are kept: kubernetes, for objects in the system namespace; postgres; or memory, for a single replica that forgets everything when it ends")
	f.StringVar(&o.postgresURIFile, "postgres-uri-file", "", "`file` with the URI of the database for --store=postgres; read again for each new connection, so that a new password needs no restart")
	f.DurationVar(&o.sessionCache, "session-cache", 5*time.Second, "for how long at most a session that was ended at another replica is still good at this one; 0 asks the store each time")
	f.IntVar(&o.maxRequests, "max-requests", 1000, "how many requests for pages, and how many of clients, are answered at a time; more are told to come back")
	f.StringVar(&o.outboundAllow, "outbound-allow", "", "`networks` (CIDR,CIDR) that the server may send requests to for OAuthClients, such as the cluster's Services, beside the public internet: where a jwksURI or backchannelLogoutURI may lead")
	f.StringVar(&o.outboundCAFile, "outbound-ca-file", "", "`file` with certificate authorities (PEM) to trust in such requests, beside the system's")
	f.DurationVar(&o.shutdownDelay, "shutdown-delay", 5*time.Second, "how long to go on serving after being told to stop, while load balancers take notice")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "json", "json or text")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, o.complete()
}

func (o *options) complete() error {
	switch {
	case o.namespace == "":
		return errors.New("--namespace is empty")
	case o.opsAddress == "":
		return errors.New("--ops-address is empty; probes need it")
	case (o.certFile == "") != (o.keyFile == ""):
		return errors.New("--tls-cert-file and --tls-key-file go together")
	case o.httpAddress == "" && !o.serveTLS():
		return errors.New("nothing to serve on: set --http-address, or --https-address with --tls-cert-file and --tls-key-file")
	case o.shutdownDelay < 0:
		return errors.New("--shutdown-delay is negative")
	case o.maxRequests < 1:
		return errors.New("--max-requests is less than 1")
	}
	if err := o.checkStore(); err != nil {
		return err
	}
	if o.replica == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("--replica-name: %w", err)
		}
		o.replica = name
	}
	return nil
}

func (o *options) checkStore() error {
	// Beyond it, a person who was signed out elsewhere would wonder.
	const longest = 5 * time.Minute
	switch o.store {
	case storeKubernetes, storePostgres, storeMemory:
	default:
		return fmt.Errorf("--store: %q is none of kubernetes, postgres and memory", o.store)
	}
	switch {
	case o.store == storePostgres && o.postgresURIFile == "":
		return errors.New("--store=postgres needs --postgres-uri-file")
	case o.store != storePostgres && o.postgresURIFile != "":
		return fmt.Errorf("--postgres-uri-file is for --store=postgres, not for --store=%s", o.store)
	case o.sessionCache < 0 || o.sessionCache > longest:
		return fmt.Errorf("--session-cache is not between 0 and %s", longest)
	}
	return nil
}

func (o *options) serveTLS() bool { return o.httpsAddress != "" && o.certFile != "" }

func (o *options) logger(to io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch o.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(to, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(to, opts)), nil
	}
	return nil, fmt.Errorf("--log-format: %q is neither json nor text", o.logFormat)
}
