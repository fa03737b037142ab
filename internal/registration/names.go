// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

// Names by which the manager and the authserver find each other's objects in the
// system namespace.
const (
	// LabelRecord tells what a Secret or Lease of ours is.
	LabelRecord = "clientele.dev/record"

	// RecordClient labels the Secret that holds a Client, under KeyClient.
	RecordClient = "registration"
	// RecordServer labels the Secret that holds a Server, under KeyServer.
	RecordServer = "issuer"
	// RecordKeys labels the Secret that holds a server's keys. The manager never
	// reads it.
	RecordKeys = "keys"
	// RecordCredentials labels the Secret in an app's namespace that the manager
	// writes an OAuthClient's credentials to. There is none in the system namespace.
	RecordCredentials = "credentials"
	// RecordReplica labels the Lease of a running authserver.
	RecordReplica = "replica"

	// KeyClient is the key of a Client's record in its Secret.
	KeyClient = "registration.json"
	// KeyServer is the key of a Server's record in its Secret.
	KeyServer = "issuer.json"
	// KeyUsers is the key of the users in a Secret that an identity provider names.
	KeyUsers = "users.yaml"

	// AnnotationClient names the OAuthClient of a record: "<namespace>/<name>".
	AnnotationClient = "clientele.dev/oauthclient"
	// AnnotationServer names the AuthorizationServer of a record.
	AnnotationServer = "clientele.dev/authorizationserver"
	// AnnotationLoaded stands on a replica's Lease: every Secret of the system
	// namespace has been loaded up to this resourceVersion.
	AnnotationLoaded = "clientele.dev/loaded-resource-version"
)

// ClientRecordName is the name of the Secret that holds an OAuthClient's record.
func ClientRecordName(namespace, name string) string {
	return RecordClient + "-" + ClientID(namespace, name)
}

// ServerRecordName is the name of the Secret that holds an AuthorizationServer's record.
func ServerRecordName(name string) string { return RecordServer + "-" + name }

// KeysName is the name of the Secret that holds an AuthorizationServer's keys.
func KeysName(server string) string { return RecordKeys + "-" + server }
