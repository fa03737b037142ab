// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// RefusedError says that a host has an address to which nothing is sent.
type RefusedError struct{ Address netip.Addr }

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is not an address of the public internet: if requests may go there, allow its network with --outbound-allow", e.Address)
}

// gate decides which addresses are dialed.
type gate struct{ allowed []netip.Prefix }

// control implements net.Dialer.ControlContext: it is called with each address that
// is about to be dialed, when nothing is resolved any more.
func (g gate) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read the address to dial: %w", err)
	}
	if !g.passes(at.Addr()) {
		return &RefusedError{Address: at.Addr()}
	}
	return nil
}

// passes reports whether a may be dialed. The kernel takes an IPv4-mapped address for
// the IPv4 address, and an address with a zone is in no prefix, so both are undone.
func (g gate) passes(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return isPublic(a) || contains(g.allowed, a)
}

// closed4 are the networks of IPv4 that are not the internet's (the registry of RFC
// 6890), multicast and broadcast, and one public address at which a cloud answers its
// own machines.
var closed4 = prefixes(
	"0.0.0.0/8",       // this network; the kernel takes 0.0.0.0 for 127.0.0.1
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carrier-grade NAT; Pods of some clouds
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; the metadata of most clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments; the metadata of one cloud
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // former 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"168.63.129.16/32",
)

// Of IPv6, only open6 is the internet's, but for closed6. What lies outside includes
// ::, ::1, fc00::/7, fe80::/10, fec0::/10 and ff00::/8.
var (
	open6   = netip.MustParsePrefix("2000::/3")
	closed6 = prefixes(
		"2001::/23",     // protocol assignments, Teredo among them, which hides an IPv4 address
		"2001:db8::/32", // documentation
		"3fff::/20",     // documentation
	)
)

// An address in one of these stands for the IPv4 address that it holds, which begins
// at that byte: a router on the way sends the packets there.
var embeds4 = []struct {
	in netip.Prefix
	at int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64 (RFC 6052)
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4 (RFC 3056)
}

// isPublic reports whether the whole internet reaches a at the same place.
func isPublic(a netip.Addr) bool {
	if a.Is4() {
		return !contains(closed4, a)
	}
	for _, e := range embeds4 {
		if e.in.Contains(a) {
			b := a.As16()
			return isPublic(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
		}
	}
	return open6.Contains(a) && !contains(closed6, a)
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}
