// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/clientele-dev/clientele/api/v1alpha1"
)

// connections is over how many connections the requests go.
const connections = 4

// pageTimes: an API server that is busy deletes a hundred objects in a second.
const pageTimes = 10

// client sends requests to the API server, each once.
type client struct {
	namespace string
	timeout   time.Duration
	rest      []rest.Interface
	turn      atomic.Uint32
}

func newClient(c Config) (*client, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	out := &client{namespace: c.Namespace, timeout: c.Timeout}
	for range connections {
		config := rest.CopyConfig(c.REST)
		config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
		config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
		config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
		config.QPS, config.RateLimiter = -1, nil
		if config.Dial == nil && config.Transport == nil {
			// A dialer of its own keeps client-go from sharing one connection among all.
			config.Dial = (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext
		}
		one, err := rest.RESTClientFor(config)
		if err != nil {
			return nil, err
		}
		out.rest = append(out.rest, one)
	}
	return out, nil
}

// kind is one of those that a Store keeps.
type kind struct{ name, resource string }

var (
	sessionKind   = kind{"OAuthSession", "oauthsessions"}
	grantKind     = kind{"OAuthGrant", "oauthgrants"}
	consentKind   = kind{"OAuthConsent", "oauthconsents"}
	assertionKind = kind{"OAuthAssertion", "oauthassertions"}
)

// typeMeta is what an object of the kind begins with.
func (k kind) typeMeta() metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: k.name}
}

// call is one request about one object.
type call struct {
	verb string // of HTTP
	kind kind
	name string
	send any // nil, or what is sent as JSON
}

// do sends the request, and reads the answer into answer unless that is nil.
func (c *client) do(ctx context.Context, r call, answer any) error {
	request := c.request(r)
	if r.verb == http.MethodPatch {
		request.SetHeader("Content-Type", string(types.JSONPatchType))
	}
	if r.verb != http.MethodPost {
		request.Name(r.name)
	}
	if r.send != nil {
		body, err := json.Marshal(r.send)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", r.kind.name, r.name, err)
		}
		request.Body(body)
	}
	return c.answer(ctx, r, request, answer)
}

// request is one that is given up after a while, here and by the API server too: what
// it has not begun by then it will not do. Nothing is sent twice: client-go would
// repeat what the API server asks to repeat, without knowing whether it was done.
func (c *client) request(r call) *rest.Request {
	one := c.rest[c.turn.Add(1)%connections]
	return one.Verb(r.verb).Namespace(c.namespace).Resource(r.kind.resource).Timeout(c.timeout).MaxRetries(0)
}

// page is a request about no more than limit of the objects with some labels, and what
// to go on from. It may take pageTimes as long as others.
func (c *client) page(r call, selector string, limit int, token string) *rest.Request {
	request := c.request(r).Timeout(min(pageTimes*c.timeout, 30*time.Second)).
		Param("labelSelector", selector).Param("limit", strconv.Itoa(limit))
	if token != "" {
		request.Param("continue", token)
	}
	return request
}

func (c *client) answer(ctx context.Context, r call, request *rest.Request, answer any) error {
	result := request.Do(ctx)
	if err := result.Error(); err != nil {
		return problem(r, err)
	}
	if answer == nil {
		return nil
	}
	body, err := result.Raw()
	if err != nil {
		return problem(r, err)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return r.malformed("it cannot be read: " + err.Error())
	}
	return nil
}
