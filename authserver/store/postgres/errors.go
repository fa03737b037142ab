// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes: PostgreSQL's appendix A, and for 40003 CockroachDB's error reference.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	completionUnknown    = "40003"
	undefinedTable       = "42P01"
	readOnlyTransaction  = "25006"

	classConnection    = "08"
	classData          = "22"
	classIntegrity     = "23"
	classLimit         = "54"
	classInternalError = "XX"
)

// conflict says that the database has undone a statement because of others that ran
// at the same time: it can be sent again as if it had never been.
func conflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == serializationFailure || e.Code == deadlockDetected)
}

// unsent says that the statement has not left this process.
func unsent(err error) bool {
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || errors.Is(err, errNoConnection) || errors.Is(err, errNotReady) || pgconn.SafeToRetry(err)
}

// uncertain says that nobody knows whether the statement was, or will be, committed:
// the connection was lost, or the database itself does not know. Only an error that
// left the connection whole is the database's word that nothing was written.
func uncertain(err error) bool {
	if err == nil || unsent(err) {
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || e.SeverityUnlocalized != "ERROR" || e.Code == completionUnknown || strings.HasPrefix(e.Code, classConnection)
}

// poisoned says that one of the records of a statement is why all of it failed.
func poisoned(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || uncertain(err) {
		return false
	}
	for _, class := range []string{classData, classIntegrity, classLimit, classInternalError} {
		if strings.HasPrefix(e.Code, class) {
			return true
		}
	}
	return false
}

// isState says that the database has answered with an error of that SQLSTATE.
func isState(err error, code string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == code
}
