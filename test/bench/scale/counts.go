// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"k8s.io/client-go/kubernetes"
)

// samples are metrics in Prometheus' text format: each line but for the value, and
// the value.
type samples map[string]float64

// parse reads them. Nothing that is summed here has a space in a label.
func parse(text []byte) samples {
	out := samples{}
	for line := range strings.Lines(string(text)) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(series, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			out[series] = v
		}
	}
	return out
}

// sum adds up a metric's series that have a label with that value; an empty label
// means all.
func (s samples) sum(name, label, value string) float64 {
	total := 0.0
	for series, v := range s {
		rest, ok := strings.CutPrefix(series, name)
		if ok && (rest == "" || rest[0] == '{') && (label == "" || labelOf(series, label) == value) {
			total += v
		}
	}
	return total
}

// labelOf is the value of a series' label.
func labelOf(series, label string) string {
	for _, before := range []string{"{", ","} {
		if _, after, ok := strings.Cut(series, before+label+`="`); ok {
			value, _, _ := strings.Cut(after, `"`)
			return value
		}
	}
	return ""
}

func (st *stage) managerMetrics(ctx context.Context) (samples, error) {
	if err := st.manager.alive(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, st.manager.metrics, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return parse(body), err
}

// managerWrites is how many writes the manager has sent so far.
func (st *stage) managerWrites(ctx context.Context) (int, error) {
	m, err := st.managerMetrics(ctx)
	total := 0.0
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		total += m.sum("rest_client_requests_total", "method", method)
	}
	return int(total), err
}

// write is a kind of write.
type write struct{ what, code string }

// writes are how many writes of each kind there were.
type writes map[write]int

// written is what the API server has been asked to write so far.
func (st *stage) written(ctx context.Context) (writes, error) {
	kube, err := kubernetes.NewForConfig(st.apiserver.Config)
	if err != nil {
		return nil, err
	}
	text, err := kube.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	out := writes{}
	for series, v := range parse(text) {
		if !strings.HasPrefix(series, "apiserver_request_total{") {
			continue
		}
		resource := labelOf(series, "resource")
		switch verb := labelOf(series, "verb"); verb {
		case "POST", "PUT", "PATCH", "DELETE", "APPLY", "DELETECOLLECTION":
			if sub := labelOf(series, "subresource"); sub != "" {
				resource += "/" + sub
			}
			out[write{verb + " " + resource, labelOf(series, "code")}] += int(v)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the API server counts no writes under apiserver_request_total")
	}
	return out, nil
}

// since is what came after before.
func (w writes) since(before writes) writes {
	out := writes{}
	for kind, n := range w {
		if n -= before[kind]; n > 0 {
			out[kind] = n
		}
	}
	return out
}

func (w writes) total() int {
	total := 0
	for _, n := range w {
		total += n
	}
	return total
}

// say prints each kind, and how many for each client.
func (w writes) say(st *stage, clients int) {
	kinds := slices.SortedFunc(maps.Keys(w), func(a, b write) int {
		return cmp.Or(cmp.Compare(w[b], w[a]), cmp.Compare(a.what, b.what), cmp.Compare(a.code, b.code))
	})
	for _, k := range kinds {
		st.say("%8d  %5.2f for each  %s (%s)", w[k], float64(w[k])/float64(clients), k.what, k.code)
	}
}
