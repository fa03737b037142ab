// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"time"
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// nameSize is how much of the digest is a name: enough that nobody finds two records
// of one name, and short enough for a column of a table.
const nameSize = 20

// objectName is the name of the object that keeps a record: one-way, the same on every
// replica, and valid whatever the record's own names are made of.
func objectName(k kind, parts ...string) string {
	all := make([]byte, 0, 256)
	all = append(all, k.name...)
	for _, p := range parts {
		// The length keeps "a", "bc" apart from "ab", "c".
		all = binary.BigEndian.AppendUint64(all, uint64(len(p)))
		all = append(all, p...)
	}
	sum := sha256.Sum256(all)
	return encoding.EncodeToString(sum[:nameSize])
}

// hour is the value of LabelExpires for what ends at t, and minute that of LabelCode:
// numbers, so that the API server can compare them.
func hour(t time.Time) string { return t.UTC().Format("2006010215") }

func minute(t time.Time) string { return t.UTC().Format("200601021504") }
