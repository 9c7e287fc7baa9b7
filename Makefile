# rayllm-operator. `make help` lists the targets; each does the set-up that it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup engine control-plane node-parts demo demo-check demo-down node kind images push release test test-fast test-unit test-integration \
	test-e2e test-image test-nodes test-release test-long test-faults e2e bench-datapath bench-autoscale bench-mirror bench-controlplane soak docs pictures engine-table lint format generate check-generated lock clean

PYTHON ?= python3
BIN := .venv/bin

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST) \
		| if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi

##@ Set-up

setup: .venv/complete ## Create .venv with the command line (.venv/bin/rayllm), the operator and the tools

.venv/complete: requirements/dev.lock pyproject.toml
	@tests/harness/packages python
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

engine: setup ## Create the engine's environment (Ray, and vLLM on CPU) in the user's cache: 7 GB, once
	@tests/harness/packages engine
	@tests/harness/engine_env

control-plane: ## Build kube-apiserver and its companions in the user's cache, once; KUBEBUILDER_ASSETS saves it
	@tests/harness/cluster build

node-parts: setup ## Build what a one-node cluster and its engine image need, once: 25 GB (root only)
	@tests/harness/cluster build --node
	@tests/harness/node_image --no-load >/dev/null

##@ See it run

demo: setup engine control-plane ## From a model file to an answer on this machine; stays up until Ctrl-C
	@$(BIN)/python -m tests.harness.demo

demo-check: setup engine control-plane ## The same, and then take everything down: for scripts
	@$(BIN)/python -m tests.harness.demo --check

demo-down: setup ## Take down what `make demo` left up
	@$(BIN)/python -m tests.harness.demo --down

node: setup engine control-plane node-parts ## The same with real pods on a node of this machine: KUBERAY_OPERATOR names KubeRay's program (root)
	@$(BIN)/python -m tests.harness.cluster_demo node

kind: ENGINE = cpu
kind: REGISTRY = localhost/rayllm
kind: setup images ## The same on a cluster of kind, with KubeRay's own chart (Docker and kind)
	@$(BIN)/python -m tests.harness.cluster_demo kind

##@ Images

# Where both images go, as the chart's value `registry`; docker or buildah builds them.
REGISTRY ?=
export REGISTRY BUILDER OPERATOR_IMAGE ENGINE_IMAGE
BUILDER ?= $(shell command -v docker || command -v buildah)
# gpu takes Ray's own image as base, cpu installs the locked CPU engine over a Python image.
ENGINE ?= gpu
OPERATOR_BASE ?= python:3.12-slim-bookworm
ENGINE_BASE ?= $(if $(filter cpu,$(ENGINE)),python:3.11-slim-bookworm,rayproject/ray-llm:2.60.0-py312-cu130)
VERSION := $(shell sed -n 's/^appVersion: //p' charts/rayllm-operator/Chart.yaml)
ENGINE_TAG = $(VERSION)-ray2.60.0-vllm0.29.0$(if $(filter cpu,$(ENGINE)),-cpu)
COMMITTED := $(shell git log -1 --format=%ct)
# What makes an image's times the commit's; BuildKit takes the argument by itself.
WITH_TIMES = --build-arg SOURCE_DATE_EPOCH=$(COMMITTED) $(if $(filter %buildah,$(BUILDER)),--timestamp $(COMMITTED))
OPERATOR_IMAGE ?= $(REGISTRY)/rayllm-operator:$(VERSION)
ENGINE_IMAGE ?= $(REGISTRY)/rayllm-engine:$(ENGINE_TAG)

images: ## Build both images as REGISTRY=registry.example/llm names them; ENGINE=cpu for nodes without GPUs
	@: "$${REGISTRY:?is not set: where will the images be pushed to?}" "$${BUILDER:?is not set: neither docker nor buildah is here}"
	$(BUILDER) build --file operator/Dockerfile $(WITH_TIMES) --build-arg BASE=$(OPERATOR_BASE) --tag $(OPERATOR_IMAGE) .
	$(BUILDER) build --file engine_image/Dockerfile $(WITH_TIMES) --build-arg BASE=$(ENGINE_BASE) \
		$(if $(filter cpu,$(ENGINE)),--build-arg REQUIREMENTS=requirements-cpu.lock) --tag $(ENGINE_IMAGE) engine_image

push: ## Push what `make images` built
	@: "$${REGISTRY:?is not set: where are the images to be pushed to?}"
	$(BUILDER) push $(OPERATOR_IMAGE)
	$(BUILDER) push $(ENGINE_IMAGE)

release: setup ## Build what docs/releasing.md publishes: both images, and wheel, chart and CRDs in dist/
	$(BIN)/python -m tests.harness.release_files dist $(if $(TAG),--tag $(TAG)) $(if $(REHEARSAL),--rehearsal)
	@$(MAKE) --no-print-directory images

##@ Check it

# Two files of tests at a time; a node has room for one.
PYTEST = $(BIN)/pytest --numprocesses $(if $(KUBERAY_OPERATOR),0,2) --dist loadfile

test: lint test-unit test-integration test-e2e ## Everything, as CI runs it

test-fast: lint test-unit ## What needs neither Ray nor an API server

test-unit: setup ## Unit tests
	$(PYTEST) tests/unit

test-integration: setup control-plane ## Tests against a real kube-apiserver and etcd
	$(PYTEST) tests/integration
	$(BIN)/pytest tests/faults

test-e2e: setup engine control-plane $(if $(KUBERAY_OPERATOR),node-parts) ## Tests with real Ray and vLLM on CPU
	$(BIN)/pytest -m "alone and not long" tests/e2e
	$(PYTEST) -m "not alone and not long" tests/e2e

test-image: setup engine node-parts ## The engine image: its contents, and a container that serves (root only)
	$(BIN)/pytest tests/image

test-nodes: setup engine control-plane node-parts ## Pools on a real node: KUBERAY_OPERATOR names KubeRay's program (root only)
	@: "$${KUBERAY_OPERATOR:?is not set: it names the program of KubeRay}"
	$(BIN)/pytest -rP tests/nodes

test-release: setup ## The chart on a real node, from install to uninstall: 2 minutes, 15 the first time (root only)
	@tests/harness/cluster build --node
	$(BIN)/pytest tests/release

# node: a node of this machine (root); kind: images are built and loaded; current: KUBECONFIG's, which pulls from REGISTRY.
CLUSTER ?= node
# A folder for pictures of the dashboards, which a node of this machine has data for.
DASHBOARDS ?=
export CLUSTER DASHBOARDS
e2e: ENGINE = cpu
ifeq ($(CLUSTER),kind)
e2e: REGISTRY = localhost/rayllm
endif
e2e: setup $(if $(filter node,$(CLUSTER)),engine control-plane node-parts) $(if $(filter kind,$(CLUSTER)),images) ## A release from install to uninstall, with a model; CLUSTER=node, kind or current
	$(BIN)/pytest -rP tests/cluster

test-long: setup engine control-plane ## What `make test` leaves out, and property tests with 10,000 cases each: for the night
	$(BIN)/pytest -m long tests/e2e
	$(BIN)/pytest --hypothesis-profile=nightly --timeout=7200 -m "hypothesis or property" \
		tests/unit tests/integration tests/e2e

test-faults: setup control-plane ## One thing broken at a time, and every field edited; writes docs/reliability.md: 60 minutes
	@$(BIN)/python -m tests.faults --write

bench-datapath: setup engine ## What the path to the engine costs, beside vLLM alone and Ray's default path: 15 minutes
	$(BIN)/python -m benchmarks.datapath

bench-autoscale: setup engine ## How fast replicas come and what they cost, beside RayLLM's and Ray's defaults: 12 minutes
	@$(BIN)/python -m benchmarks.autoscale

bench-mirror: setup engine ## Downloads of 2 GiB: ours beside Ray's, s5cmd, obstore and pyarrow (10 GiB of memory, 6 min)
	@$(BIN)/python -m benchmarks.mirror --engine-python "$$(tests/harness/engine_env)" \
		--peers-python "$$(benchmarks/mirror/peers_env)"

bench-controlplane: setup control-plane ## 1,000 and 10,000 models at once, beside a plain kopf operator and the bare API server: 50 to 100 minutes
	@$(BIN)/python -m benchmarks.controlplane

soak: setup control-plane ## Two hours of edits, deletions, restarts and faults over 200 models; writes docs/reliability.md
	@$(BIN)/python -m tests.soak --write

lint: setup ## Style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: build/docs-venv/complete ## Build the site of docs/ into build/site
	NO_MKDOCS_2_WARNING=1 build/docs-venv/bin/mkdocs build --quiet
	@echo "build/site/index.html; with the search: python3 -m http.server --directory build/site"

pictures: setup engine control-plane ## Draw the terminal sessions of docs/pictures from commands that run on the demo's cluster
	@$(BIN)/python -m tests.harness.pictures

build/docs-venv/complete: requirements/docs.lock
	$(PYTHON) -m venv build/docs-venv
	build/docs-venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/docs.lock
	@touch $@

##@ Keep generated files true

generate: setup ## Write crds/, docs/cli.md and the tables of other pages of docs/ anew; tests hold them to it
	$(BIN)/python -m rayllm_operator.api.generate crds
	$(BIN)/python -m rayllm_operator.cli.reference >docs/cli.md
	$(BIN)/python -m tests.harness.registry_page
	$(BIN)/python -m tests.harness.crds_page
	$(BIN)/python -m tests.harness.configuration_page
	PYTHONPATH=engine_image $(BIN)/python -m tests.harness.metrics_page
	$(BIN)/python -m tests.harness.reasons_page
	$(BIN)/python -m tests.harness.changes_page
	$(BIN)/python -m tests.harness.chart_files
	"$$(tests/harness/go_programs chart)"/helm-docs --chart-search-root charts --log-level warning

check-generated: generate ## Fail if `make generate` changes something that is committed
	@git diff --exit-code --stat || { echo "these files were not generated from the code as it is; commit them" >&2; exit 1; }
	@! git status --porcelain | grep . || { echo "these files are not committed" >&2; exit 1; }

engine-table: setup engine ## Write the table of the engine arguments of the engine environment's vLLM
	"$$(tests/harness/engine_env)" -m rayllm_engine.arguments operator/rayllm_operator/plan/engine_tables

lock: setup ## Compile the locks anew
	UV=$(BIN)/uv requirements/compile
	UV=$(CURDIR)/$(BIN)/uv engine_image/lock-cpu

clean: ## Delete .venv and tool caches; the user's cache stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
