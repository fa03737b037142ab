// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rotation says when a client secret is replaced.
//
// +kubebuilder:validation:XValidation:rule="!has(self.quietTimeout) || has(self.quietPeriod)",fieldPath=".quietTimeout",message="quietTimeout bounds the wait for quietPeriod: set quietPeriod as well, or remove quietTimeout"
type Rotation struct {
	// interval is the age at which the secret is replaced: 1h to 43800h (five years).
	// Each client's turn comes up to a tenth of it earlier, so that clients that were
	// created together are not rotated together.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1h') && duration(self) <= duration('43800h')",message="interval must be from 1h to 43800h"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// window says when a rotation that is due may begin. With a window and no
	// interval, the secret is replaced once in every window. A rotation on request
	// does not wait for it.
	// +optional
	Window *RotationWindow `json:"window,omitempty"`

	// overlap is how long an old secret is accepted after a new one has taken its
	// place in the app's Secret: 1m to 8760h. It must be longer than it takes until
	// every Pod of the app uses the new one.
	// +optional
	// +default="24h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="overlap must be from 1m to 8760h; to end a secret that leaked at once, use the annotation clientele.dev/revoke"
	Overlap *metav1.Duration `json:"overlap,omitempty"`

	// quietPeriod makes an old secret be accepted, after its overlap, until nobody
	// has used it for so long: 15m to 720h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('15m') && duration(self) <= duration('720h')",message="quietPeriod must be from 15m to 720h"
	QuietPeriod *metav1.Duration `json:"quietPeriod,omitempty"`

	// quietTimeout is how long after the overlap an old secret ends even if it is
	// still used: 1h to 8760h. It is 168h where quietPeriod is set and this is not.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1h') && duration(self) <= duration('8760h')",message="quietTimeout must be from 1h to 8760h"
	QuietTimeout *metav1.Duration `json:"quietTimeout,omitempty"`
}

// RotationWindow is a time that comes again and again.
type RotationWindow struct {
	// schedule is when a window opens, in cron's five fields: minute, hour, day of
	// the month, month and day of the week, for example "0 3 * * SUN".
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^ =@]+( +[^ =]+){4}$')",message="a schedule has cron's five fields: minute, hour, day of the month, month and day of the week, for example \"0 3 * * SUN\"; say the time zone in timeZone"
	Schedule string `json:"schedule"`

	// duration is how long a window stays open: 5m to 24h. Each client has its own
	// moment in it.
	// +optional
	// +default="1h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5m') && duration(self) <= duration('24h')",message="duration must be from 5m to 24h"
	Duration *metav1.Duration `json:"duration,omitempty"`

	// timeZone is the IANA time zone of schedule, for example Europe/Berlin.
	// +optional
	// +default="Etc/UTC"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_+/-]+$') && self != 'Local'",message="a time zone has its IANA name, for example Europe/Berlin or Etc/UTC"
	TimeZone string `json:"timeZone,omitempty"`
}
