# What contributors and CI run; `make help` lists it. Needs Go, make and git. The
# other tools are pinned in hack/tools and built by Go when first used.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# The image that docker-build makes and deploy installs.
IMG ?= clientele:dev
CONTAINER_TOOL ?= docker
# How long each fuzz target runs, and each benchmark.
FUZZTIME ?= 10s
BENCHTIME ?= 1s
# With how many authorization requests make test floods the server; wrong logins are a
# tenth of them. FLOOD=100000 is what it is made for, and takes some minutes.
FLOOD ?= 5000
# For how long make bench profiles code flows, of each kind of signature; 0 leaves it out.
PROFILE ?= 5s
# In how many rounds make bench compares what the server answers with what that needs,
# and each store with its bare limit, each for BENCHTIME; and how many objects it sweeps
# among how many that live. EXPIRED=200000 LIVE=200000 is what sweeping is made for, and
# takes half an hour and 10 GB of memory.
ROUNDS ?= 5
EXPIRED ?= 2000
LIVE ?= 2000
# What make bench measures the manager with: how many OAuthClients, for how long it is
# watched when there is nothing to do, and how many changes of the server come after.
# As it stands, that takes about five minutes of two cores; with CHANGES=100, fifteen.
CLIENTS ?= 10000
IDLE ?= 1m
CHANGES ?= 10
# For how long make chaos lets misfortunes happen to each durable store. make test does,
# too, each misfortune once or twice.
CHAOS ?= 3m

TOOL := go tool -modfile=hack/tools/go.mod
# Not in hack/tools: it brings a golangci-lint of its own version along.
KUBE_API_LINTER := sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter@v0.0.0-20260206102632-39e3d06a2850

# The race detector needs cgo, and that a C compiler; Go turns cgo off where there is none.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# Sets $$assets to the directory with etcd and kube-apiserver, or ends the recipe.
ASSETS = assets=$$(hack/controlplane/assets)

##@ General

.PHONY: help
help: ## Show this.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET [VARIABLE=value]" } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Try it

.PHONY: run
run: ## Run everything here, with a demo app to sign in to, until Ctrl-C.
	@echo "Building Clientele; the first time, this takes some minutes." >&2
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/manager ./cmd/authserver ./examples/webapp ./hack/run
	@$(ASSETS) && KUBEBUILDER_ASSETS=$$assets exec bin/run

##@ Develop

.PHONY: build
build: ## Build bin/manager and bin/authserver.
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/manager ./cmd/authserver

.PHONY: test
test: ## Run the tests, against a real Kubernetes API server on this machine.
	@$(if $(RACE),,echo "No C compiler here: testing without the race detector." >&2)
	@$(ASSETS) && set -x && KUBEBUILDER_ASSETS=$$assets FLOOD=$(FLOOD) go test $(RACE) -timeout 30m ./...

.PHONY: lint
lint: ## Run the linters.
	$(TOOL) golangci-lint run

.PHONY: lint-api
lint-api: ## Check api/ against the Kubernetes API conventions (fetches kube-api-linter).
	go run $(KUBE_API_LINTER) run --config hack/kube-api-linter.yml ./api/...

.PHONY: fmt
fmt: ## Format the Go code.
	$(TOOL) golangci-lint fmt

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME; all of them, and then fail if one did.
	@hack/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure requests, where their time goes, the stores, and the manager with CLIENTS OAuthClients.
	go run ./test/bench/requests -time=$(BENCHTIME) -rounds=$(ROUNDS) -profile=$(PROFILE)
	@$(ASSETS) && set -x && KUBEBUILDER_ASSETS=$$assets go run ./test/bench/stores -time=$(BENCHTIME) -rounds=$(ROUNDS) -expired=$(EXPIRED) -live=$(LIVE)
	@$(ASSETS) && set -x && KUBEBUILDER_ASSETS=$$assets go run ./test/bench/scale -clients=$(CLIENTS) -idle=$(IDLE) -changes=$(CHANGES)

.PHONY: chaos
chaos: ## Kill and cut what serves logins for CHAOS with each durable store, and audit.
	@$(ASSETS) && set -x && CHAOS_TIME=$(CHAOS) KUBEBUILDER_ASSETS=$$assets go test -count=1 -v -timeout=6h -run='^Test' ./test/chaos

##@ Generate

.PHONY: generate
generate: ## Generate the API types' DeepCopy methods.
	$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: ## Generate config/crd/bases, and the roles in config/rbac from the markers in the code.
	$(TOOL) controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	$(TOOL) controller-gen rbac:roleName=clientele-manager,fileName=manager_role.yaml paths=./controllers/... output:rbac:dir=config/rbac
	$(TOOL) controller-gen rbac:roleName=clientele-authserver,fileName=authserver_role.yaml paths=./authserver/... output:rbac:dir=config/rbac

.PHONY: api-docs
api-docs: ## Generate docs/reference.md from the API types.
	$(TOOL) crd-ref-docs --config=hack/api-docs/config.yml --templates-dir=hack/api-docs --renderer=markdown --source-path=api --output-path=docs/reference.md --log-level=ERROR

.PHONY: tidy
tidy: ## Tidy every go.mod.
	go mod tidy
	cd hack/tools && go mod tidy
	cd hack/controlplane && go mod tidy

.PHONY: verify
verify: generate manifests api-docs fmt tidy ## Generate, format and tidy all, and fail if that changes a file.
	@drift=$$(git status --porcelain); [ -z "$$drift" ] || { \
		printf '\nThese files are not as they were committed. If you had no changes of your own, they were\nnot up to date: commit what make verify has made of them.\n\n%s\n\n' "$$drift" >&2; \
		git --no-pager diff --stat >&2; exit 1; }

##@ Install

.PHONY: docker-build
docker-build: ## Build the image IMG, which holds both binaries.
	$(CONTAINER_TOOL) build -t $(IMG) .

.PHONY: install
install: ## Install the CRDs into the cluster of your kubeconfig.
	kubectl apply -k config/crd

.PHONY: deploy
deploy: ## Install all of Clientele, with the image IMG, into the cluster of your kubeconfig.
	kubectl kustomize config/default | sed 's|image: clientele:dev$$|image: $(IMG)|' | kubectl apply -f -

.PHONY: undeploy
undeploy: ## Remove every OAuthClient and AuthorizationServer, Clientele and its CRDs from that cluster.
	hack/undeploy

##@ Test on more

.PHONY: test-e2e
test-e2e: ## Install and try it on the cluster of KUBECONFIG, or on a kind cluster made for it.
	hack/e2e

.PHONY: test-browser
test-browser: ## Sign in with headless Chromium, with and without JavaScript.
	@$(ASSETS) && set -x && KUBEBUILDER_ASSETS=$$assets go test -tags=browser -count=1 -v ./test/browser/...

.PHONY: test-stock
test-stock: ## Have clients that others wrote sign in: from npm, Apache, Python, kubectl.
	@$(ASSETS) && set -x && KUBEBUILDER_ASSETS=$$assets go test -tags=stock -count=1 -v -timeout=5m ./test/stock/...
