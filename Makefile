# What contributors type. `make` alone lists it.
.PHONY: help lint format test slow image bench

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

lint: ## Lint, types, layers
	uv run ruff check .
	uv run ruff format --check .
	uv run mypy
	uv run lint-imports

format: ## Format and mend what can be mended
	uv run ruff check --fix .
	uv run ruff format .

test: ## The quick tests
	uv run pytest

slow: ## The slow tests
	uv run pytest -m slow

image: ## Build the node and consensus images from their bentos
	uv run bentoml containerize concord-node:latest -t concord-node:latest
	uv run bentoml containerize concord-consensus:latest -t concord-consensus:latest

bench: ## Compare with the workshop's way, FastAPI and a plain gather
	uv run python -m benchmarks.serving
