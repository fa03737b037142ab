// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"net/netip"
	"testing"
)

func TestGate_Passes(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1":         true,
		"9.255.255.255":   true,
		"100.63.255.255":  true,
		"100.128.0.0":     true,
		"126.255.255.255": true,
		"128.0.0.0":       true,
		"172.15.255.255":  true,
		"172.32.0.0":      true,
		"192.167.255.255": true,
		"192.169.0.0":     true,
		"223.255.255.255": true,

		"0.0.0.0":         false,
		"0.1.2.3":         false,
		"10.0.0.0":        false,
		"10.96.0.1":       false,
		"10.255.255.255":  false,
		"100.64.0.0":      false,
		"100.100.100.200": false,
		"100.127.255.255": false,
		"127.0.0.1":       false,
		"127.255.255.255": false,
		"168.63.129.16":   false,
		"169.254.0.0":     false,
		"169.254.169.254": false,
		"172.16.0.0":      false,
		"172.31.255.255":  false,
		"192.0.0.192":     false,
		"192.0.2.1":       false,
		"192.88.99.1":     false,
		"192.168.0.0":     false,
		"192.168.255.255": false,
		"198.18.0.1":      false,
		"198.19.255.255":  false,
		"198.51.100.7":    false,
		"203.0.113.7":     false,
		"224.0.0.1":       false,
		"239.255.255.255": false,
		"240.0.0.1":       false,
		"255.255.255.255": false,

		"2606:4700:4700::1111": true,
		"2a00::1":              true,
		"2001:200::1":          true,
		"3fff:1000::1":         true,
		"::":                   false,
		"::1":                  false,
		"::1%lo":               false,
		"::2":                  false,
		"::1.1.1.1":            false, // IPv4-compatible, long gone
		"::ffff:0:1.1.1.1":     false, // IPv4-translated
		"100::1":               false, // discard
		"2001::1":              false, // Teredo
		"2001:20::1":           false, // ORCHID
		"2001:1ff:ffff::1":     false,
		"2001:db8::1":          false,
		"3fff::1":              false,
		"4000::1":              false,
		"5f00::1":              false,
		"fc00::1":              false,
		"fd00:ec2::254":        false,
		"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": false,
		"fe80::1":      false,
		"fe80::1%eth0": false,
		"febf::1":      false,
		"fec0::1":      false,
		"ff02::1":      false,
		"ff0e::1":      false,

		// The same host by other names.
		"::ffff:1.1.1.1":                    true,
		"::ffff:127.0.0.1":                  false,
		"::ffff:10.0.0.1":                   false,
		"::ffff:169.254.169.254":            false,
		"::ffff:0.0.0.0":                    false,
		"64:ff9b::1.1.1.1":                  true,
		"64:ff9b::127.0.0.1":                false,
		"64:ff9b::10.0.0.1":                 false,
		"64:ff9b::169.254.169.254":          false,
		"64:ff9b::169.254.169.254%eth0":     false,
		"64:ff9b:0:0:0:1:101:101":           false, // beyond the /96
		"64:ff9b:1::1.1.1.1":                false, // a network's own NAT64 (RFC 8215)
		"2002:101:101::1":                   true,  // 1.1.1.1
		"2002:7f00:1::1":                    false, // 127.0.0.1
		"2002:a00:1::1":                     false, // 10.0.0.1
		"2002:a9fe:a9fe::1":                 false, // 169.254.169.254
		"2002:c0a8:101:dead:beef:1111:2:33": false, // 192.168.1.1
	} {
		if got := (gate{}).passes(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
}

func TestGate_Allowed(t *testing.T) {
	g := gate{allowed: prefixes("10.96.0.0/12", "fd00:1::/64", "::1/128")}
	for address, want := range map[string]bool{
		"10.96.0.1":               true,
		"10.111.255.255":          true,
		"::ffff:10.96.0.1":        true,
		"fd00:1::7":               true,
		"fd00:1::7%eth0":          true,
		"::1":                     true,
		"1.1.1.1":                 true,
		"10.95.255.255":           false,
		"10.112.0.0":              false,
		"::ffff:10.112.0.0":       false,
		"127.0.0.1":               false,
		"fd00:1:0:1::7":           false,
		"64:ff9b::10.96.0.1":      false, // by way of a router that was not allowed
		"2002:a60:1::1":           false,
		"::ffff:169.254.169.254":  false,
		"64:ff9b::169.254.169.25": false,
	} {
		if got := g.passes(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
}
