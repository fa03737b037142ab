// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"fmt"
	"strings"
	"testing"
)

// What is accepted and what is not stands in the table that the API's rules are held
// against; here are the words.
func TestValidateAudience_Words(t *testing.T) {
	for _, c := range []struct{ audience, want string }{
		{"https://api.example.com/orders", ""},
		{"api://shop.orders", ""},
		{"", "is empty or too long"},
		{"api://" + strings.Repeat("x", 251), "is empty or too long"},
		{"shop.orders", "is not an absolute URI without a fragment"},
		{"api://shop.orders#x", "is not an absolute URI without a fragment"},
	} {
		expect(t, c.audience, ValidateAudience(c.audience), c.want)
	}
	if err := ValidateAudience("xyzzy"); strings.Contains(err.Error(), "xyzzy") {
		t.Errorf("the refusal repeats the audience: %v", err)
	}
}

func TestMatchesAudience(t *testing.T) {
	for _, c := range []struct {
		pattern, audience string
		want              bool
	}{
		{"api://shop.orders", "api://shop.orders", true},
		{"api://shop.orders", "api://shop.orders2", false},
		{"api://shop.orders", "api://SHOP.orders", false},
		{"api://shop.*", "api://shop.orders", true},
		{"api://shop.*", "api://shop.", false},
		{"api://shop.*", "api://shop", false},
		{"api://shop.*", "api://shop2.orders", false},
		{"api://shop.*", "https://evil.example/api://shop.orders", false},
		{"https://api.example.com/*", "https://api.example.com/a/b?c", true},
		{"https://api.example.com/*", "https://api.example.com.evil.example/", false},
		{"", "api://shop.orders", false},
	} {
		if got := MatchesAudience(c.pattern, c.audience); got != c.want {
			t.Errorf("%s matches %s: %t, want %t", c.pattern, c.audience, got, c.want)
		}
	}
}

func TestClient_Audiences(t *testing.T) {
	c := confidential()
	for i := range MaxAudiences {
		c.Audiences = append(c.Audiences, fmt.Sprintf("api://shop.%d", i))
	}
	expect(t, "as many as can be", c.Validate(), "")
	c.Audiences = append(c.Audiences, "api://shop.more")
	expect(t, "one more", c.Validate(), "audiences: more than 16")
	c.Audiences = []string{"api://shop.orders", "orders"}
	expect(t, "one that is none", c.Validate(), "audiences[1]: is not an absolute URI")
}
