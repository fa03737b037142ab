// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/clientele-dev/clientele/api/v1alpha1"
	"github.com/clientele-dev/clientele/internal/registration"
	"github.com/clientele-dev/clientele/test/apiserver"
)

const (
	systemNamespace = "clientele-system"
	appNamespace    = "apps"
	serverName      = "main"
	usersYAML       = `[{username: ada, passwordHash: "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}]`

	// startsWithin is how long a process, or the AuthorizationServer, may take.
	startsWithin = time.Minute
)

// stage is the API server and what runs against it.
type stage struct {
	client.Client

	out       io.Writer
	dir       string
	apiserver *apiserver.Server
	processes []*process
	manager   *process
}

// newStage starts an API server with the namespaces, and builds the binaries.
func newStage(ctx context.Context, out io.Writer) (*stage, error) {
	dir, err := os.MkdirTemp("", "scale-*")
	if err != nil {
		return nil, err
	}
	st := &stage{out: out, dir: dir}
	if err := st.prepare(ctx); err != nil {
		return nil, errors.Join(err, st.end())
	}
	return st, nil
}

func (st *stage) prepare(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", st.dir, "./cmd/manager", "./cmd/authserver")
	build.Dir = apiserver.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile does, to share what is compiled
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	var err error
	if st.apiserver, err = apiserver.New(); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if st.Client, err = client.New(st.apiserver.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	for _, name := range []string{systemNamespace, appNamespace, limitNamespace} {
		if err := st.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	return nil
}

// startClientele starts the manager and the authserver, and makes the
// AuthorizationServer.
func (st *stage) startClientele(ctx context.Context) error {
	kubeconfig := filepath.Join(st.dir, "kubeconfig")
	if err := writeKubeconfig(kubeconfig, st.apiserver.Config); err != nil {
		return err
	}
	metrics, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	env, err := deployedEnv()
	if err != nil {
		return err
	}
	st.manager, err = st.start(process{name: "manager", env: env, metrics: "http://" + metrics + "/metrics"},
		"--kubeconfig="+kubeconfig, "--namespace="+systemNamespace, "--metrics-bind-address="+metrics, "--health-probe-bind-address=0")
	if err != nil {
		return err
	}
	if _, err := st.start(process{name: "authserver"},
		"--kubeconfig="+kubeconfig, "--namespace="+systemNamespace, "--replica-name=bench",
		"--http-address=127.0.0.1:0", "--https-address=", "--ops-address=127.0.0.1:0", "--shutdown-delay=0s"); err != nil {
		return err
	}
	users := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "users"},
		StringData: map[string]string{registration.KeyUsers: usersYAML},
	}
	if err := st.Create(ctx, users); err != nil {
		return err
	}
	server := &v1alpha1.AuthorizationServer{
		ObjectMeta: metav1.ObjectMeta{Name: serverName},
		Spec: v1alpha1.AuthorizationServerSpec{
			Issuer: "https://login.example.com", Default: true,
			IdentityProviders: []v1alpha1.IdentityProvider{{
				Name: "local", LocalUsers: &v1alpha1.LocalUsers{SecretRef: v1alpha1.SecretReference{Name: users.Name}},
			}},
		},
	}
	if err := st.Create(ctx, server); err != nil {
		return err
	}
	return poll(ctx, startsWithin, func() (bool, error) { return st.serverReady(ctx) })
}

// deployedEnv is the manager's environment in its Deployment, as far as it is plain.
func deployedEnv() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(apiserver.Root(), "config", "manager", "deployment.yaml"))
	if err != nil {
		return nil, err
	}
	d := &appsv1.Deployment{}
	if err := yaml.Unmarshal(text, d); err != nil {
		return nil, err
	}
	var env []string
	for _, v := range d.Spec.Template.Spec.Containers[0].Env {
		if v.ValueFrom == nil {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	return env, nil
}

// serverReady reports whether the AuthorizationServer is, as it was changed last.
func (st *stage) serverReady(ctx context.Context) (bool, error) {
	server := &v1alpha1.AuthorizationServer{}
	if err := st.Get(ctx, client.ObjectKey{Name: serverName}, server); err != nil {
		return false, err
	}
	ready := apimeta.FindStatusCondition(server.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == server.Generation, nil
}

// end stops everything, in the reverse order of its start.
func (st *stage) end() error {
	var errs []error
	for i := range st.processes {
		errs = append(errs, st.processes[len(st.processes)-1-i].stop())
	}
	if st.apiserver != nil {
		errs = append(errs, st.apiserver.End())
	}
	return errors.Join(append(errs, os.RemoveAll(st.dir))...)
}

func (st *stage) say(format string, args ...any) {
	_, _ = fmt.Fprintf(st.out, format+"\n", args...)
}

func writeKubeconfig(path string, config *rest.Config) error {
	c := clientcmdapi.NewConfig()
	c.Clusters["bench"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	c.AuthInfos["bench"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["bench"] = &clientcmdapi.Context{Cluster: "bench", AuthInfo: "bench"}
	c.CurrentContext = "bench"
	return clientcmd.WriteToFile(*c, path)
}

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// poll asks until it is so, or patience is over.
func poll(ctx context.Context, patience time.Duration, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it takes longer than %s", patience))
	defer cancel()
	for {
		is, err := so()
		if err != nil || is {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
