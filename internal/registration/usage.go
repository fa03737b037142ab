// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// MaxUsed is how many secrets a Usage tells of.
	MaxUsed = 20_000
	// maxUsageBytes is what a Secret may hold. A Usage of MaxUsed takes half of it.
	maxUsageBytes = 1 << 20
	// maxMinute is the last one whose year has four digits.
	maxMinute = 4_223_371_679
	// idLength is how long a Digest's ID is.
	idLength = 12
)

// Usage is what a replica of the authserver has seen used.
type Usage struct {
	Version int `json:"version"`
	// Used is the minute, since 1970, in which a client last authenticated with the
	// secret whose Digest has that ID.
	Used map[string]int64 `json:"used"`
	// Dropped is the last minute in which a secret was used that is not in Used, for
	// want of room. It is zero if there was room for all.
	Dropped int64 `json:"dropped,omitempty"`
}

// ValidID reports whether id is one that a Digest can have.
func ValidID(id string) bool {
	return len(id) == idLength && strings.Trim(id, "0123456789abcdef") == ""
}

// Trim drops the secrets that were used least recently, until there are limit, and
// returns them.
func (u *Usage) Trim(limit int) map[string]int64 {
	dropped := map[string]int64{}
	if len(u.Used) <= limit {
		return dropped
	}
	ids := slices.SortedFunc(maps.Keys(u.Used), func(a, b string) int {
		return cmp.Or(cmp.Compare(u.Used[b], u.Used[a]), strings.Compare(a, b))
	})
	for _, id := range ids[limit:] {
		dropped[id] = u.Used[id]
		u.Dropped = max(u.Dropped, u.Used[id])
		delete(u.Used, id)
	}
	return dropped
}

// Encode returns u as it is stored. Equal usages give equal bytes.
func (u Usage) Encode() ([]byte, error) {
	u.Version = Version
	if err := u.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(u)
}

// DecodeUsage reads and validates what Encode wrote.
func DecodeUsage(data []byte) (Usage, error) {
	if len(data) > maxUsageBytes {
		return Usage{}, fmt.Errorf("decode usage: more than %d bytes", maxUsageBytes)
	}
	var u Usage
	if err := json.Unmarshal(data, &u); err != nil {
		return Usage{}, fmt.Errorf("decode usage: %w", err)
	}
	if err := u.Validate(); err != nil {
		return Usage{}, err
	}
	return u, nil
}

// Validate says what keeps u from being believed.
func (u Usage) Validate() error {
	switch {
	case u.Version != Version:
		return fmt.Errorf("version is %d, not %d", u.Version, Version)
	case len(u.Used) > MaxUsed:
		return fmt.Errorf("used: more than %d", MaxUsed)
	case u.Dropped < 0 || u.Dropped > maxMinute:
		return errors.New("dropped is no minute")
	}
	for id, minute := range u.Used {
		if !ValidID(id) {
			return errors.New("used: one is not named by a Digest's ID")
		}
		if minute <= 0 || minute > maxMinute {
			return errors.New("used: one has no minute")
		}
	}
	return nil
}
