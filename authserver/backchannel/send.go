// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package backchannel

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// outcome is what an attempt has come to.
type outcome struct {
	// result is one of the constants, or empty for what counts as nothing.
	result string
	// again is whether another attempt may come to more.
	again bool
	// because is for our log: fixed text, a status, or what a connection failed of.
	because string
}

// The results.
const (
	resultDelivered = "delivered"
	// resultRefused: the client has answered that it could not, or not, sign out.
	resultRefused = "refused"
	// resultFailed: no attempt had an answer that says so or so.
	resultFailed = "failed"
	// resultGone: the client is not registered for it any more.
	resultGone = "gone"
	// resultDropped: too many waited.
	resultDropped = "dropped"
	// resultAbandoned: the server has stopped before.
	resultAbandoned = "abandoned"
	// resultUnlisted: nobody could find out whom to tell.
	resultUnlisted = "unlisted"
)

// maxBody is how much of a response is read, so that its connection can be used again.
const maxBody = 4 << 10

// send makes one attempt to tell a client.
func (n *Notifier) send(ctx context.Context, notice Notice) outcome {
	to, token, err := notice.Prepare()
	switch {
	case errors.Is(err, ErrGone):
		return outcome{result: resultGone}
	case err != nil:
		return outcome{result: resultFailed, again: true, because: "the logout token cannot be made now"}
	}
	body := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return outcome{result: resultFailed, because: "the URI cannot be parsed"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "clientele")
	resp, err := n.client.Do(req)
	if err != nil {
		return outcome{result: resultFailed, again: true, because: describe(err)}
	}
	// What it says does not matter (section 2.8).
	_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
	_ = resp.Body.Close()
	return judge(resp.StatusCode)
}

// judge is section 2.8: 200, or 204 where a framework makes that of it. 400 says that
// the client could not do it, and other answers below 500 that nobody there knows of
// logout: the same again would bring the same.
func judge(status int) outcome {
	because := "status " + strconv.Itoa(status)
	switch {
	case status == http.StatusOK, status == http.StatusNoContent:
		return outcome{result: resultDelivered}
	case status >= http.StatusInternalServerError:
		return outcome{result: resultFailed, again: true, because: because}
	}
	return outcome{result: resultRefused, because: because}
}

// describe says why there was no answer. It has nothing of what the client sent: an
// error of net/http may repeat it, and a client may repeat what we sent.
func describe(err error) string {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timeout"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return bad.Error()
	}
	return "no valid response"
}
