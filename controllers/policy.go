// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
)

// What follows decides by facts alone what an AuthorizationServer's policy allows.
// config/admission says the same in CEL, in the same order and the same words, so
// that kubectl refuses what the controller would; a test holds both together.

// defaultConsentModes are those that a client may have where no rule says more.
var defaultConsentModes = []v1alpha1.ConsentMode{v1alpha1.ConsentAlways, v1alpha1.ConsentOnce}

// maxListed is how many of the values that are allowed a message lists.
const maxListed = 5

// evaluate says why server's policy does not allow a client with that spec in
// namespace; "" is that it does. It fails if the policy cannot be read.
func evaluate(server *v1alpha1.AuthorizationServer, namespace metav1.Object, spec *v1alpha1.OAuthClientSpec) (string, error) {
	if err := checkPolicy(server.Spec.Policy); err != nil {
		return "", fmt.Errorf("AuthorizationServer %s: %w", server.Name, err)
	}
	t, found := termsFor(server, namespace.GetLabels())
	if !found {
		return fmt.Sprintf("metadata.namespace: no rule in spec.policy of AuthorizationServer %s fits namespace %s, so it may not register clients. Have the platform team add a rule for it, or name another AuthorizationServer in spec.authorizationServerRef.name.",
			server.Name, namespace.GetName()), nil
	}
	return cmp.Or(
		t.checkType(spec),
		t.checkRedirects("spec.redirectURIs", spec.RedirectURIs),
		t.checkRedirects("spec.postLogoutRedirectURIs", spec.PostLogoutRedirectURIs),
		t.checkRequested("spec.backchannelLogoutURI", spec.BackchannelLogoutURI),
		t.checkRequested("spec.jwksURI", string(spec.JWKSURI)),
		firstOutside(t, wish{"spec.scopes", "scope", "scopes"}, spec.Scopes, t.rule.Scopes),
		firstOutside(t, wish{"spec.grantTypes", "grant type", "grantTypes"}, spec.GrantTypes, t.rule.GrantTypes),
		t.checkAudiences(spec.Audiences),
		t.checkConsent(spec),
		t.checkLifetimes(spec.Lifetimes),
	), nil
}

// checkPolicy says which rule's namespaceSelector means nothing. The API's schema
// leaves that to whoever uses one.
func checkPolicy(policy *v1alpha1.Policy) error {
	if policy == nil {
		return nil
	}
	for _, rule := range policy.Rules {
		if _, err := selectorOf(rule); err != nil {
			return fmt.Errorf("namespaceSelector of rule %s in its spec.policy is not valid", rule.Name)
		}
	}
	return nil
}

// selectorOf is what a rule's namespaceSelector selects: everything if there is none.
func selectorOf(rule v1alpha1.PolicyRule) (labels.Selector, error) {
	if rule.NamespaceSelector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(rule.NamespaceSelector)
}

// terms are what the clients of one namespace may register: what one rule says, or
// an AuthorizationServer that has no policy, with what is left out filled in.
type terms struct {
	rule v1alpha1.PolicyRule
	// by is whose terms they are, and place where more could be allowed.
	by, place string
}

// termsFor finds the first rule that fits a namespace with those labels.
func termsFor(server *v1alpha1.AuthorizationServer, of map[string]string) (terms, bool) {
	t := terms{by: "AuthorizationServer " + server.Name, place: "a rule in its spec.policy"}
	if policy := server.Spec.Policy; policy != nil {
		i := slices.IndexFunc(policy.Rules, func(rule v1alpha1.PolicyRule) bool {
			selector, err := selectorOf(rule)
			return err == nil && selector.Matches(labels.Set(of))
		})
		if i < 0 {
			return terms{}, false
		}
		t.rule = *policy.Rules[i].DeepCopy()
		t.by, t.place = "rule "+t.rule.Name+" of "+t.by, "that rule"
	}
	if len(t.rule.ConsentModes) == 0 {
		t.rule.ConsentModes = defaultConsentModes
	}
	t.rule.MaxLifetimes = longest(t.rule.MaxLifetimes, server.Spec.Lifetimes)
	return t, true
}

// longest fills in what a rule's maxLifetimes leave out with the server's own.
func longest(rule *v1alpha1.ClientLifetimes, server v1alpha1.Lifetimes) *v1alpha1.ClientLifetimes {
	l := cmp.Or(rule, &v1alpha1.ClientLifetimes{})
	return &v1alpha1.ClientLifetimes{
		AccessToken:      cmp.Or(l.AccessToken, server.AccessToken),
		IDToken:          cmp.Or(l.IDToken, server.IDToken),
		RefreshToken:     cmp.Or(l.RefreshToken, server.RefreshToken),
		RefreshTokenIdle: cmp.Or(l.RefreshTokenIdle, server.RefreshTokenIdle),
	}
}

func (t terms) checkType(spec *v1alpha1.OAuthClientSpec) string {
	asked := cmp.Or(spec.Type, v1alpha1.ClientTypeConfidential)
	return outside(t, wish{"spec.type", "type", "clientTypes"}, asked, t.rule.ClientTypes)
}

func (t terms) checkConsent(spec *v1alpha1.OAuthClientSpec) string {
	asked := cmp.Or(spec.Consent, v1alpha1.ConsentOnce)
	return outside(t, wish{"spec.consent", "mode", "consentModes"}, asked, t.rule.ConsentModes)
}

// checkRedirects looks at all schemes before it looks at hosts.
func (t terms) checkRedirects(field string, uris []v1alpha1.RedirectURI) string {
	schemes := make([]v1alpha1.RedirectScheme, len(uris))
	for i, uri := range uris {
		scheme, _, _ := strings.Cut(string(uri), ":")
		schemes[i] = v1alpha1.RedirectScheme(scheme)
	}
	if v := firstOutside(t, wish{field, "scheme", "redirectSchemes"}, schemes, t.rule.RedirectSchemes); v != "" {
		return v
	}
	if len(t.rule.RedirectHosts) == 0 {
		return ""
	}
	for i, uri := range uris {
		host, https := registration.RedirectHost(string(uri))
		if https && !slices.ContainsFunc(t.rule.RedirectHosts, func(p v1alpha1.HostPattern) bool { return registration.MatchesHost(string(p), host) }) {
			return t.refuse(wish{item(field, i), "host", "redirectHosts"}, host, texts(t.rule.RedirectHosts))
		}
	}
	return ""
}

// checkRequested holds a URI that the server itself asks on a client's behalf to the
// hosts that people may be sent to.
func (t terms) checkRequested(field, uri string) string {
	if uri == "" || len(t.rule.RedirectHosts) == 0 {
		return ""
	}
	host := registration.RequestedHost(uri)
	if slices.ContainsFunc(t.rule.RedirectHosts, func(p v1alpha1.HostPattern) bool { return registration.MatchesHost(string(p), host) }) {
		return ""
	}
	return t.refuse(wish{field, "host", "redirectHosts"}, host, texts(t.rule.RedirectHosts))
}

func (t terms) checkAudiences(asked []v1alpha1.Audience) string {
	if len(t.rule.Audiences) == 0 {
		return ""
	}
	for i, a := range asked {
		if !slices.ContainsFunc(t.rule.Audiences, func(p v1alpha1.AudiencePattern) bool { return registration.MatchesAudience(string(p), string(a)) }) {
			return t.refuse(wish{item("spec.audiences", i), "audience", "audiences"}, string(a), texts(t.rule.Audiences))
		}
	}
	return ""
}

func (t terms) checkLifetimes(asked *v1alpha1.ClientLifetimes) string {
	if asked == nil {
		return ""
	}
	longest := t.rule.MaxLifetimes
	for _, l := range []struct {
		name       string
		asked, max *metav1.Duration
	}{
		{"accessToken", asked.AccessToken, longest.AccessToken},
		{"idToken", asked.IDToken, longest.IDToken},
		{"refreshToken", asked.RefreshToken, longest.RefreshToken},
		{"refreshTokenIdle", asked.RefreshTokenIdle, longest.RefreshTokenIdle},
	} {
		if a, m := duration(l.asked), duration(l.max); a > m {
			return fmt.Sprintf("spec.lifetimes.%s: %s is longer than the %s that %s allows. Shorten it, or have the platform team allow more in maxLifetimes.%s of %s.",
				l.name, plainDuration(a), plainDuration(m), t.by, l.name, t.place)
		}
	}
	return ""
}

// plainDuration is d in one unit, the largest that leaves nothing over.
func plainDuration(d time.Duration) string {
	seconds := int64(d / time.Second)
	switch {
	case seconds%3600 == 0:
		return strconv.FormatInt(seconds/3600, 10) + "h"
	case seconds%60 == 0:
		return strconv.FormatInt(seconds/60, 10) + "m"
	}
	return strconv.FormatInt(seconds, 10) + "s"
}

// wish names something that a client asks for: the field, what a value of it is, and
// the list of a rule that says what is allowed.
type wish struct{ field, noun, list string }

// item is an element of a field.
func item(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// firstOutside refuses the first of asked that is not allowed.
func firstOutside[T ~string](t terms, c wish, asked, allowed []T) string {
	for i, value := range asked {
		if v := outside(t, wish{item(c.field, i), c.noun, c.list}, value, allowed); v != "" {
			return v
		}
	}
	return ""
}

// outside refuses a value that is not among allowed; if that is empty, all are.
func outside[T ~string](t terms, c wish, value T, allowed []T) string {
	if len(allowed) == 0 || slices.Contains(allowed, value) {
		return ""
	}
	return t.refuse(c, string(value), texts(allowed))
}

func (t terms) refuse(c wish, value string, allowed []string) string {
	listed := strings.Join(allowed[:min(maxListed, len(allowed))], ", ")
	if more := len(allowed) - maxListed; more > 0 {
		listed += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s: the %s %s is not among those that %s allows: %s. Use one of them, or have the platform team add this one to %s of %s.",
		c.field, c.noun, value, t.by, listed, c.list, t.place)
}
