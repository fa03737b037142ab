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
	// RecordUsage labels the Secret in which a replica reports which client secrets it
	// has seen used, under KeyUsage.
	RecordUsage = "usage"

	// KeyClient is the key of a Client's record in its Secret.
	KeyClient = "registration.json"
	// KeyServer is the key of a Server's record in its Secret.
	KeyServer = "issuer.json"
	// KeyUsage is the key of a replica's Usage in its Secret.
	KeyUsage = "usage.json"
	// KeyUsers is the key of the users in a Secret that an identity provider names.
	KeyUsers = "users.yaml"

	// AnnotationClient names the OAuthClient of a record: "<namespace>/<name>".
	AnnotationClient = "clientele.dev/oauthclient"
	// AnnotationServer names the AuthorizationServer of a record.
	AnnotationServer = "clientele.dev/authorizationserver"
	// AnnotationLoaded stands on a replica's Lease: every Secret of the system
	// namespace has been loaded up to this resourceVersion.
	AnnotationLoaded = "clientele.dev/loaded-resource-version"
	// AnnotationReported stands on a replica's Lease: all use of client secrets that
	// the replica has seen until this time, of RFC 3339, is in its Usage.
	AnnotationReported = "clientele.dev/usage-reported-until"
	// AnnotationReport stands on a replica's Lease beside AnnotationReported: the
	// resourceVersion of the Usage that this is true of. It is missing as long as the
	// replica has written none.
	AnnotationReport = "clientele.dev/usage-resource-version"
	// AnnotationUnloaded stands on a replica's Lease, as an Unloaded: the records that
	// it could not load and goes on without, or with what they said before.
	AnnotationUnloaded = "clientele.dev/unloaded-records"
)

// SweeperLease is the name of the Lease by which the authserver's replicas elect the
// one that sweeps.
const SweeperLease = "clientele-sweeper"

// ClientRecordName is the name of the Secret that holds an OAuthClient's record.
func ClientRecordName(namespace, name string) string {
	return RecordClient + "-" + ClientID(namespace, name)
}

// ServerRecordName is the name of the Secret that holds an AuthorizationServer's record.
func ServerRecordName(name string) string { return RecordServer + "-" + name }

// LeaseName is the name of the Lease of a replica.
func LeaseName(replica string) string { return "authserver-" + replica }

// UsageName is the name of the Secret in which a replica reports.
func UsageName(replica string) string { return RecordUsage + "-" + replica }

// KeysName is the name of the Secret that holds an AuthorizationServer's keys.
func KeysName(server string) string { return RecordKeys + "-" + server }
