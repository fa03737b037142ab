// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// table is what kubectl get prints, without the times, and with the columns of -o wide
// in brackets.
func table(t *testing.T, s *Store, k kind) (header, row string) {
	t.Helper()
	body, err := s.api.rest[0].Get().Namespace(s.api.namespace).Resource(k.resource).
		SetHeader("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1").Do(t.Context()).Raw()
	must(t, err)
	var got metav1.Table
	must(t, json.Unmarshal(body, &got))
	if len(got.Rows) != 1 {
		t.Fatalf("%d rows, want 1", len(got.Rows))
	}
	var columns, cells []string
	for i, c := range got.ColumnDefinitions {
		column, cell := c.Name, fmt.Sprint(got.Rows[0].Cells[i])
		if _, err := time.Parse(time.RFC3339, cell); err == nil {
			cell = "time"
		}
		if c.Priority > 0 {
			column, cell = "["+column+"]", "["+cell+"]"
		}
		columns, cells = append(columns, column), append(cells, cell)
	}
	return strings.Join(columns, " | "), strings.Join(cells, " | ")
}

func TestTable(t *testing.T) {
	// kubectl counts from now.
	c := &clock{at: time.Now().Add(-90 * time.Minute)}
	// The authserver may not list consents.
	s := open(t, namespace(t), c.now)
	admin, err := New(Config{REST: server.Config, Namespace: s.api.namespace})
	must(t, err)
	must(t, s.CreateSession(t.Context(), session(c, "id")), s.Redeem(t.Context(), grant(c, "code")), s.Allow(t.Context(), consent(c, "openid", "profile")),
		s.Spend(t.Context(), issuer, "jti", c.now().Add(time.Minute)))
	c.pass(time.Hour)
	_, err = s.Advance(t.Context(), issuer, "code", 0, c.now())
	must(t, err)
	session, grant := objectName(sessionKind, issuer, "id"), objectName(grantKind, issuer, "code")
	consent := objectName(consentKind, issuer, "subject-of-ann", "docs.wiki")
	for _, tt := range []struct {
		kind        kind
		header, row string
	}{
		{sessionKind, "Name | Person | Provider | Server | Since | Until", session + " | ann | staff | default | 90m | time"},
		{grantKind, "Name | Person | Client | Scopes | Since | Last Used | Until | Revoked | [Server] | [Provider] | [Refreshes]",
			grant + ` | ann | docs.wiki | ["openid","profile"] | 90m | 30m | time | <nil> | [default] | [staff] | [1]`},
		{consentKind, "Name | Person | Client | Scopes | Given | [Server] | [Provider]",
			consent + ` | ann | docs.wiki | ["openid","profile"] | 90m | [default] | [staff]`},
		{assertionKind, "Name | Server | Until", objectName(assertionKind, issuer, "jti") + " | default | time"},
	} {
		header, row := table(t, admin, tt.kind)
		if header != tt.header || row != tt.row {
			t.Errorf("%s:\n%s\n%s\nwant\n%s\n%s", tt.kind.name, header, row, tt.header, tt.row)
		}
	}
	// A grant that was taken away within its code's life is still there, and says so.
	must(t, s.Revoke(t.Context(), issuer, "code"))
	if _, row := table(t, admin, grantKind); strings.Contains(row, "<nil>") {
		t.Errorf("a revoked grant: %s", row)
	}
}

// TestObjects_HoldNoSecret: an ID is what a browser or a token holds sealed, and names and
// labels are read by more people and programs than objects are.
func TestObjects_HoldNoSecret(t *testing.T) {
	c := newClock()
	s := open(t, namespace(t), c.now)
	must(t, s.CreateSession(t.Context(), session(c, "id-of-the-session")), s.Redeem(t.Context(), grant(c, "id-of-the-code")))
	for k, id := range map[kind]string{sessionKind: "id-of-the-session", grantKind: "id-of-the-code"} {
		var o map[string]any
		must(t, s.api.do(t.Context(), call{verb: http.MethodGet, kind: k, name: objectName(k, issuer, id)}, &o))
		data, err := json.Marshal(o["metadata"])
		must(t, err)
		if text := string(data); strings.Contains(text, id) || strings.Contains(text, "session-of-ann") {
			t.Errorf("%s: %s", k.name, data)
		}
		if labels := o["metadata"].(map[string]any)["labels"].(map[string]any); labels["velero.io/exclude-from-backup"] != "true" {
			t.Errorf("%s would be restored from a backup: labels %v", k.name, labels)
		}
	}
}
