// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers makes the cluster look as OAuthClients and
// AuthorizationServers say. It mints client secrets, publishes their digests as
// records in the system namespace, waits until every live replica of the
// authserver has loaded them, and only then writes the plaintext to the app's
// Secret. That order is what keeps a mounted secret accepted at every instant;
// each write is conditional on what was read, so that it also holds across a
// crash between any two of them, a stale cache and a leader that does not know
// that it was replaced.
//
// The package never reads or writes signing keys, never stores a plaintext secret
// anywhere but in the app's Secret, never touches a Secret that it does not own,
// and lets none of them into a condition, an event, a metric or a log line.
package controllers
