// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clientele-dev/clientele/authserver/oauth"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/internal/registration"
)

// Bounds, in bytes, of what travels with a request and comes back to the client.
const (
	maxState = 2048
	maxScope = 2048
	maxNonce = 512
	// maxHint is of a login_hint, which is dropped when it is longer.
	maxHint = 256
)

// idleParams may be in a request and change nothing here (OpenID Connect Core 1.0
// section 3.1.2.1): but they are known, and so none may be there twice.
var idleParams = []string{"display", "ui_locales", "claims_locales", "acr_values"}

// authorize is the authorization endpoint (RFC 6749 section 3.1).
func (s *Server) authorize(w http.ResponseWriter, r *request) error {
	v, err := s.parseVisit(r)
	if err != nil {
		return err
	}
	return s.begin(w, r, v)
}

// begin is proceed for a request that has just come from its client.
func (s *Server) begin(w http.ResponseWriter, r *request, v visit) error {
	err := s.proceed(w, r, v)
	if problem, ok := errors.AsType[*oauth.Error](err); ok && v.flow.PromptNone {
		// Nobody is there to read a page. What is a redirect already becomes the same one.
		return v.refuse(problem)
	}
	return err
}

// authorizePost takes the request by POST, which OpenID Connect Core 1.0 section
// 3.1.2.1 wants, and goes on by GET. A POST from the client's site comes without
// our SameSite=Lax cookies; the GET that follows brings them. It has the request sealed:
// an ID token may be too long for a URL, and should be in none.
func (s *Server) authorizePost(w http.ResponseWriter, r *request) error {
	if !r.hasForm() {
		return &pageError{
			status: http.StatusUnsupportedMediaType,
			title:  "This sign-in request is not complete",
			text:   "Go back to the app and tell its owner.",
			owner:  "The body of the authorization request is not application/x-www-form-urlencoded.",
		}
	}
	v, err := s.parseVisit(r)
	if err != nil {
		return err
	}
	return r.goTo(w, pathContinue, v)
}

// authorizeOn goes on with a request that came by POST.
func (s *Server) authorizeOn(w http.ResponseWriter, r *request) error {
	v, err := s.openPosted(r, (&params{values: r.Form}).one("flow"))
	if err != nil {
		return err
	}
	return s.begin(w, r, v)
}

// visit is an accepted authorization request and whom it is for, as they are now.
type visit struct {
	flow   flow
	client *registry.Client
	to     registry.RedirectURI
}

// refuse sends the browser back to the client with an error.
func (v visit) refuse(err *oauth.Error) error {
	return &redirectError{err: err, reply: v.reply()}
}

// parseVisit reads an authorization request. Until the redirect URI is known to be
// the client's, its errors are pages; from then on they go to the client.
func (s *Server) parseVisit(r *request) (visit, error) {
	// Form, not PostForm: one parameter in the query and again in the body is a
	// repeated one.
	p := &params{values: r.Form}
	client, err := s.lookUpClient(r, p)
	if err != nil {
		return visit{}, err
	}
	r.client = client
	to, err := s.checkRedirect(p, client)
	if err != nil {
		return visit{}, err
	}
	f, problem := parseAuthorize(p, client, to)
	if problem == nil {
		problem = s.checkResources(r, client, f.Resources)
	}
	if problem == nil && !client.KnowsPeople(r.issuer) {
		problem = unavailable(errNoSalt)
	}
	if problem == nil {
		problem = r.readClaims(p.one("claims"), &f)
	}
	if problem == nil {
		problem = s.parseHint(r, p.one("id_token_hint"), &f)
	}
	v := visit{flow: f, client: client, to: to}
	switch {
	case problem == nil:
	case problem.Code == oauth.TemporarilyUnavailable && !f.PromptNone:
		return visit{}, problem
	default:
		return visit{}, v.refuse(problem)
	}
	v.flow.ClientID, v.flow.ClientUID = client.ID(), client.UID()
	v.flow.RedirectURI, v.flow.RedirectSent = to.String(), p.one("redirect_uri") != ""
	v.flow.ExpiresAt = r.now.Add(flowLifetime)
	return v, nil
}

func (s *Server) lookUpClient(r *request, p *params) (*registry.Client, error) {
	id := p.one("client_id")
	client, ok := s.registry.Client(r.issuer, id)
	switch {
	case ok:
		return client, nil
	case id == "":
		return nil, &pageError{
			status: http.StatusBadRequest,
			title:  "The app did not say which one it is",
			text:   "You cannot sign in to it until this is corrected. Tell the app's owner what stands below.",
			owner:  "The authorization request needs the parameter client_id, exactly once. Its value stands in the app's Secret under the key client_id.",
		}
	case !s.registry.Current():
		return nil, unavailable(errStale)
	}
	return nil, &pageError{
		status: http.StatusBadRequest,
		title:  "This app is not registered here",
		text:   "You cannot sign in to it until this is corrected. Tell the app's owner what stands below.",
		owner: "The parameter client_id names no client of " + r.issuer.Issuer + ". Check that it is the value of the key client_id " +
			"in the app's Secret, that its OAuthClient still exists and is Ready, and that it belongs to this AuthorizationServer.",
		sent: showable(id),
	}
}

// checkRedirect compares the redirect URI with the registered ones, which is what
// makes it a destination (RFC 9700 section 2.1).
func (s *Server) checkRedirect(p *params, c *registry.Client) (registry.RedirectURI, error) {
	raw := p.one("redirect_uri")
	if raw == "" && len(p.values["redirect_uri"]) <= 1 {
		// RFC 6749 section 3.1.2.3: a sole registered URI need not be named; OpenID
		// Connect Core 1.0 section 3.1.2.1: in an OpenID request it must be.
		if to, ok := c.SoleRedirect(); ok && !oauth.ParseScopes(p.values.Get("scope")).Has(oauth.ScopeOpenID) {
			return to, nil
		}
		return registry.RedirectURI{}, redirectPage(c, "", "The authorization request needs the parameter redirect_uri.")
	}
	if raw == "" {
		return registry.RedirectURI{}, redirectPage(c, "", "The authorization request has the parameter redirect_uri more than once.")
	}
	to, ok := c.Redirect(raw)
	if !ok && !s.registry.Current() {
		return registry.RedirectURI{}, unavailable(errStale)
	}
	if !ok {
		return registry.RedirectURI{}, redirectPage(c, raw, "The parameter redirect_uri is none of the client's redirect URIs, byte for byte. "+
			"Correct it in the app, or add it to spec.redirectURIs of the OAuthClient.")
	}
	return to, nil
}

func redirectPage(c *registry.Client, raw, owner string) *pageError {
	return &pageError{
		status: http.StatusBadRequest,
		title:  c.DisplayName() + " asked to send you somewhere unknown",
		text:   "You cannot sign in to it until this is corrected. Tell the app's owner what stands below.",
		owner:  owner + " Its client_id is " + c.ID() + ", in the namespace " + c.Namespace() + ".",
		sent:   showable(raw),
	}
}

// parseAuthorize reads what does not decide the destination. With an error it
// returns a flow all the same, which holds the state to answer with.
func parseAuthorize(p *params, c *registry.Client, to registry.RedirectURI) (flow, *oauth.Error) {
	f := flow{
		State:     []byte(p.one("state")),
		Nonce:     p.one("nonce"),
		Scopes:    oauth.ParseScopes(p.one("scope")),
		Resources: p.resources(),
		Challenge: p.one("code_challenge"),
		Hint:      p.one("login_hint"),
	}
	if len(f.Hint) > maxHint {
		f.Hint = ""
	}
	// These two are read later, and by then it is too late to find them repeated.
	for _, name := range append([]string{"id_token_hint", "claims"}, idleParams...) {
		p.one(name)
	}
	mode := f.parseMode(p.one("response_mode"), to)
	if problem := f.checkState(); problem != nil {
		return f, problem
	}
	problems := []*oauth.Error{
		checkResponse(p, c),
		mode,
		checkChallenge(p, c),
		checkLength(p.one("scope")),
		checkScopes(f.Scopes, c),
		checkNonce(f.Nonce),
		f.parsePrompt(p.one("prompt")),
		f.parseMaxAge(p.one("max_age")),
	}
	// Only now has everything been read, and is it known what is repeated.
	for _, problem := range append([]*oauth.Error{p.err()}, problems...) {
		if problem != nil {
			return f, problem
		}
	}
	return f, nil
}

func checkResponse(p *params, c *registry.Client) *oauth.Error {
	kind := p.one("response_type")
	switch {
	// OpenID Connect Core 1.0 section 3.1.2.6: request objects are refused by a code
	// of their own, never ignored.
	case p.one("request") != "":
		return oauth.Errorf(oauth.RequestNotSupported, "request objects are not supported")
	case p.one("request_uri") != "":
		return oauth.Errorf(oauth.RequestURINotSupported, "request_uri is not supported")
	case p.one("registration") != "":
		return oauth.Errorf(oauth.RegistrationNotSupported, "registration is not supported")
	case kind == "":
		return oauth.Errorf(oauth.InvalidRequest, "response_type is missing")
	case kind != "code":
		return oauth.Errorf(oauth.UnsupportedResponseType, "response_type must be code")
	case !c.MayUse(registration.GrantAuthorizationCode):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for authorization_code")
	}
	return nil
}

// checkChallenge takes S256 alone: RFC 9700 section 2.1.1 wants a method that does
// not show the verifier in the request.
func checkChallenge(p *params, c *registry.Client) *oauth.Error {
	challenge, method := p.one("code_challenge"), p.one("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge_method is given without code_challenge")
	case challenge == "" && c.PKCERequired():
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is missing; this client must use PKCE with S256")
	case challenge == "":
		return nil
	case method != "S256":
		// RFC 7636 section 4.3: without a method, plain is meant.
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge_method must be S256")
	case !oauth.ValidChallenge(challenge):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is not the unpadded base64url of a SHA-256")
	}
	return nil
}

// checkScopes wants at least one scope: RFC 6749 section 3.3 leaves the choice
// between a default and a refusal, and nobody should be asked for what was not
// asked for.
func checkScopes(asked oauth.Scopes, c *registry.Client) *oauth.Error {
	switch {
	case len(asked) == 0:
		return oauth.Errorf(oauth.InvalidScope, "scope is missing")
	case !c.Scopes().Covers(asked):
		return oauth.Errorf(oauth.InvalidScope, "scope has one that the client is not registered for; see spec.scopes of its OAuthClient")
	}
	return nil
}

func checkLength(scope string) *oauth.Error {
	if len(scope) > maxScope {
		return oauth.Errorf(oauth.InvalidScope, "scope is longer than %d bytes", maxScope)
	}
	return nil
}

func checkNonce(nonce string) *oauth.Error {
	switch {
	case !utf8.ValidString(nonce):
		// It could not stand in an ID token as it came.
		return oauth.Errorf(oauth.InvalidRequest, "nonce is not UTF-8")
	case len(nonce) > maxNonce:
		return oauth.Errorf(oauth.InvalidRequest, "nonce is longer than %d bytes", maxNonce)
	}
	return nil
}

// parsePrompt reads the prompt parameter (OpenID Connect Core 1.0 section 3.1.2.1).
func (f *flow) parsePrompt(raw string) *oauth.Error {
	values := strings.Fields(raw)
	for _, v := range values {
		switch v {
		case "none":
			f.PromptNone = true
		case "login":
			f.PromptLogin = true
		case "consent":
			f.PromptConsent = true
		case "select_account":
			f.PromptAccount = true
		default:
			return oauth.Errorf(oauth.InvalidRequest, "prompt has a value that is not supported")
		}
	}
	if f.PromptNone && len(slices.Compact(values)) > 1 {
		return oauth.Errorf(oauth.InvalidRequest, "prompt has none beside another value")
	}
	return nil
}

// parseMaxAge reads the max_age parameter, in seconds.
func (f *flow) parseMaxAge(raw string) *oauth.Error {
	if raw == "" {
		return nil
	}
	const century = 100 * 365 * 24 * time.Hour
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < 0 || raw[0] == '+' {
		return oauth.Errorf(oauth.InvalidRequest, "max_age is not a number of seconds")
	}
	f.MaxAge = new(min(n, int64(century/time.Second)))
	return nil
}
