// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Command authserver is one replica of Clientele's authorization server. It reads
// issuers and clients from the system namespace, and serves them until it is told
// to stop. Only here are flags, environment, the real clock and exit codes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/clientele-dev/clientele/authserver"
	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/identity/users"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/registry/kube"
	"github.com/clientele-dev/clientele/internal/userfile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop; a second one, no longer caught, does not ask.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "authserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	o, err := parseOptions(args, os.Getenv, stderr)
	if err != nil {
		return err
	}
	log, err := o.logger(stderr)
	if err != nil {
		return err
	}
	outside, err := o.outbound()
	if err != nil {
		return err
	}
	// client-go's own words go where ours go.
	klog.SetSlogLogger(log)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	cluster, err := newCluster(o.kubeconfig)
	if err != nil {
		return err
	}
	known, watcher, err := newWatcher(o, cluster, log, metrics)
	if err != nil {
		return err
	}
	in := surroundings{options: o, cluster: cluster, log: log, metrics: metrics}
	kept, err := in.openStore()
	if err != nil {
		return err
	}
	defer kept.close()
	handler, err := authserver.New(authserver.Config{
		Registry: known, Store: kept.guarded, SessionCache: o.sessionCache, MaxRequests: o.maxRequests,
		Used: watcher.Used, Outbound: outside, Log: log, Registerer: metrics,
	})
	if err != nil {
		return err
	}
	p := &process{options: o, log: log, watcher: watcher, sweep: kept.sweep, handler: handler, drain: handler.Drain, metrics: metrics}
	return p.run(ctx)
}

// newCluster is the way to the API server for all that this process wants of it.
func newCluster(kubeconfig string) (*rest.Config, error) {
	config, err := clusterConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	// A Lease that waits in the client's own queue lapses.
	config.QPS = -1
	config.UserAgent = "clientele-authserver"
	return config, noticeDeadConnections()
}

// newWatcher returns an empty registry and what fills it from the system namespace.
func newWatcher(o options, cluster *rest.Config, log *slog.Logger, metrics prometheus.Registerer) (*registry.Registry, *kube.Watcher, error) {
	client, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return nil, nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	var watcher *kube.Watcher
	known := registry.New(func() bool { return watcher.Current() })
	// One gate for all issuers: their hashes share our CPUs.
	gate := users.NewGate(0, 0)
	watcher, err = kube.New(kube.Config{
		Client: client, Namespace: o.namespace, Replica: o.replica, Registry: known,
		NewProvider: func(data []byte) (identity.Provider, error) {
			list, err := userfile.Parse(data)
			if err != nil {
				return nil, err
			}
			return users.New(list, users.Options{Gate: gate})
		},
		Log: log, Registerer: metrics,
	})
	return known, watcher, err
}

// noticeDeadConnections lets client-go find out that a connection to the API server
// is dead before a Lease lapses, which its own patience of 45 seconds does not. It
// reads that from the environment alone; whoever has set it there knows better.
func noticeDeadConnections() error {
	for name, seconds := range map[string]string{
		"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "5",
		"HTTP2_PING_TIMEOUT_SECONDS":      "3",
	} {
		if os.Getenv(name) != "" {
			continue
		}
		if err := os.Setenv(name, seconds); err != nil {
			return err
		}
	}
	return nil
}

// clusterConfig is the way to the API server: a file's, or a Pod's own.
func clusterConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}
