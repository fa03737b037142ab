// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/clientele-dev/clientele/authserver/identity"
	"github.com/clientele-dev/clientele/authserver/keys"
	"github.com/clientele-dev/clientele/authserver/registry"
	"github.com/clientele-dev/clientele/authserver/seal"
	"github.com/clientele-dev/clientele/authserver/token"
	"github.com/clientele-dev/clientele/internal/registration"
)

// server is what is known of one AuthorizationServer, from up to three Secrets.
type server struct {
	name   string
	record *registration.Server // nil without a valid record
	keys   storedKeys
	issuer *registry.Issuer // as last given to the registry
}

// storedKeys is the keys Secret of a server.
type storedKeys struct {
	// version is the Secret's resourceVersion, empty if there is none.
	version string
	// owner is the UID of the AuthorizationServer that the Secret belongs to, if it
	// says so.
	owner string
	// set is the last good one, nil if there has been none.
	set *keys.Set
	// malformed means that version holds something else, which is not overwritten.
	malformed bool
	// wish is what a person asks for at that version.
	wish wish
}

// users is a Secret that lists users.
type users struct {
	data     []byte
	fresh    bool              // provider is what data says, or its last good state
	provider identity.Provider // nil before any data was valid
}

func (s *store) server(name string) *server {
	v := s.servers[name]
	if v == nil {
		v = &server{name: name}
		s.servers[name] = v
	}
	return v
}

func (s *store) putServer(e *secret, data []byte) error {
	record, err := registration.DecodeServer(data)
	if err != nil {
		return err
	}
	if e.name != registration.ServerRecordName(record.Name) {
		return fmt.Errorf("the record of AuthorizationServer %q stands in a Secret of another name", record.Name)
	}
	v := s.server(record.Name)
	v.record = &record
	return s.rebuild(v)
}

func (s *store) dropServer(e *secret) {
	if v := s.servers[serverOf(e)]; v != nil {
		v.record = nil
		s.mustRebuild(v)
		s.metrics.forget(v.name)
	}
}

func (s *store) putKeys(e *secret, o *corev1.Secret) error {
	if serverOf(e) == "" {
		return fmt.Errorf("keys stand in a Secret that is not named %s", registration.KeysName("<server>"))
	}
	v := s.server(serverOf(e))
	v.keys.version, v.keys.owner, v.keys.malformed, v.keys.wish = o.ResourceVersion, ownerUID(o), false, wishOf(o)
	set, err := keys.Decode(o.Data[keyKeys])
	if err == nil {
		err = usable(set)
	}
	if err != nil {
		v.keys.malformed = true
		nudge(s.keysChanged)
		if v.keys.wish.any() {
			err = fmt.Errorf("%w (what the annotations %s and %s ask for waits until it is mended; new keys of all kinds are minted if the Secret is deleted)",
				err, annotationRotate, annotationRevoke)
		}
		return err
	}
	v.keys.set = &set
	return s.rebuild(v)
}

func (s *store) dropKeys(e *secret) {
	v := s.servers[serverOf(e)]
	if v == nil {
		return
	}
	if v.record != nil {
		s.log.Warn("The keys of an issuer were deleted: new ones are minted, and everybody must sign in again",
			"authorizationServer", v.name)
	}
	// Not kept, unlike after a malformed change: whoever deletes keys may have lost
	// them to somebody.
	v.keys = storedKeys{}
	s.mustRebuild(v)
}

// usable reports why a set cannot sign and seal.
func usable(set keys.Set) error {
	_, err := token.NewKeySet("", set)
	_, sealErr := seal.NewBox("", set, nil)
	return errors.Join(err, sealErr)
}

// putUsers keeps a list of users. It is parsed once an issuer wants it.
func (s *store) putUsers(name string, data []byte) error {
	u := s.users[name]
	if u == nil {
		u = &users{}
		s.users[name] = u
	} else if bytes.Equal(u.data, data) {
		return nil
	}
	u.data, u.fresh = data, false
	return s.rebuildUsersOf(name)
}

func (s *store) dropUsers(name string) {
	delete(s.users, name)
	if err := s.rebuildUsersOf(name); err != nil {
		s.log.Error("Rebuilding an issuer failed", "err", err)
	}
}

func (s *store) rebuildUsersOf(name string) error {
	var errs []error
	for _, v := range s.servers {
		if v.record != nil && v.record.IdentityProviders[0].UsersSecret == name {
			errs = append(errs, s.rebuild(v))
		}
	}
	return errors.Join(errs...)
}

// provider returns the identity provider of a users Secret, nil if there is none.
// It stays the same as long as the list does: it may count logins.
func (s *store) provider(name string) identity.Provider {
	u := s.users[name]
	if u == nil {
		return nil
	}
	if u.fresh {
		return u.provider
	}
	u.fresh = true
	p, err := s.newProvider(u.data)
	if err != nil {
		s.refuse(recordUsers, name, err)
		return u.provider
	}
	u.provider = p
	return p
}

// rebuild gives the registry the issuer as it is now.
func (s *store) rebuild(v *server) error {
	nudge(s.keysChanged)
	if v.record == nil {
		v.issuer = nil
		s.registry.DeleteIssuer(v.name)
		if v.keys.version == "" {
			delete(s.servers, v.name)
		}
		return nil
	}
	var set *keys.Set
	if v.ownsKeys() {
		set = v.keys.set
	}
	issuer, err := registry.NewIssuer(*v.record, s.provider(v.record.IdentityProviders[0].UsersSecret), set)
	if err != nil {
		return err
	}
	v.issuer = issuer
	s.registry.SetIssuer(issuer)
	return nil
}

// mustRebuild is rebuild where nothing that could be malformed has been added.
func (s *store) mustRebuild(v *server) {
	if err := s.rebuild(v); err != nil {
		s.log.Error("Rebuilding an issuer failed", "authorizationServer", v.name, "err", err)
	}
}

// ownsKeys reports whether the stored keys are this AuthorizationServer's, and not
// those of a deleted one that had its name.
func (v *server) ownsKeys() bool {
	return v.keys.owner == "" || v.record == nil || v.keys.owner == v.record.UID
}

// serverOf is the AuthorizationServer that an issuer or keys Secret is named after.
func serverOf(e *secret) string {
	name, ok := strings.CutPrefix(e.name, e.kind+"-")
	if !ok {
		return ""
	}
	return name
}

func ownerUID(o *corev1.Secret) string {
	for _, r := range o.OwnerReferences {
		if r.Kind == ownerKind {
			return string(r.UID)
		}
	}
	return ""
}
