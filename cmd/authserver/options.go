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

	shutdownDelay time.Duration
	logLevel      string
	logFormat     string
}

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
