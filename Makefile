# What contributors type. `make` alone lists it.
.PHONY: help lint format test slow kind kind-down k8s chart-lint images load push bench

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' concord/__init__.py)
TAG ?= $(VERSION)
CLUSTER ?= concord
IMAGES ?= node consensus trainer mlflow page fetch

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

lint: ## Lint, types, layers, structure
	uv run ruff check .
	uv run ruff format --check .
	uv run mypy
	uv run lint-imports
	uv run python .ci/structure

format: ## Format and mend what can be mended
	uv run ruff check --fix .
	uv run ruff format .

test: ## The quick tests
	uv run pytest

slow: ## The slow tests
	uv run pytest -m slow

images: ## Build the six images as concord-NAME:TAG (TAG=… unless it is the version; IMAGES="node page": some)
	@.ci/images $(TAG) $(IMAGES)

load: ## Bring the images into a kind cluster (CLUSTER=concord)
	kind load docker-image $(IMAGES:%=concord-%:$(TAG)) --name $(CLUSTER) \
		--nodes $$(kind get nodes --name $(CLUSTER) | grep -v control-plane | paste -sd,)

kind: ## Concord on a kind cluster of its own: make, load, install, test (KIND_IMAGE=… names the node image)
	@CLUSTER=$(CLUSTER) TAG=$(TAG) .ci/kind-up

kind-down: ## Delete that cluster and all that is in it
	kind delete cluster --name $(CLUSTER)

k8s: ## Render the chart into k8s/
	uv run python tests/chart/rendering.py

chart-lint: ## Lint the chart, with the tests that need no cluster and no helm
	uv run pytest tests/chart

push: ## Publish images and chart: REGISTRY=host:port/path
	@.ci/push $(TAG) $(REGISTRY)

bench: ## Compare with the workshop's way, FastAPI and a plain gather
	uv run python -m benchmarks.serving
