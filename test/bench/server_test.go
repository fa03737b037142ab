// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bench measures whole flows through the authorization server, with the
// memory store. In the same run it measures what a flow cannot do without (bare HTTP
// exchanges and signatures), and says how many times that a flow costs.
package bench

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/clientele-dev/clientele/test/bench/codeflow"
)

func TestMain(m *testing.M) {
	if asked, err := codeflow.ServeIfAsked(); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if code == 0 && flag.Lookup("test.bench").Value.String() != "" {
		if err := explain(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "where the time goes:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// start runs a server that signs ID tokens with alg.
func start(alg string) (*codeflow.Server, error) {
	return codeflow.Start(codeflow.Spec{IDTokenAlg: alg, Store: codeflow.StoreSpec{Kind: codeflow.Memory}})
}
