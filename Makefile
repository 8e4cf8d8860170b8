# Every target does the set-up it needs by itself; nothing but Python 3.11+ and make is expected of
# the machine. The set-up is in tools/prepare and does nothing the second time.

# The first Python on the PATH that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
PREPARE := PYTHONPATH=tools PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m prepare
NPM := $(PREPARE) npm
SHELL_FILES = $(shell git grep -lE '^\#!.*\b(ba)?sh$$' -- . ':!*.py')

export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-python test-page lint lint-tree lint-style lint-layers lint-types lint-page lint-chart \
	fmt bench chaos bench-cluster e2e-binaries e2e e2e-long images generate check-generated build-page lock clean python

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: python ## Start everything and print a sign-in link (ARGS="--port 9000" goes to `csp up`)
	@$(PREPARE) environment page
	@exec $(BIN)/csp up $(ARGS)

test: python ## All tests: real servers, real workers, the page in Chromium (ARGS="-k name" goes to pytest)
	@$(PREPARE) environment page
	@$(MAKE) --no-print-directory -k test-page test-python

test-python: python
	@$(PREPARE) environment page
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-page: python
	@$(NPM) test

lint: python ## ruff, mypy, import-linter, shellcheck, the page's and the chart's linters, what may not be in the tree
	@$(PREPARE) environment
	@$(MAKE) --no-print-directory -k lint-tree lint-style lint-layers lint-types lint-page lint-chart

lint-tree:
	@$(BIN)/python tools/check_tree.py
	@$(BIN)/shellcheck $(SHELL_FILES)

lint-style:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

lint-layers:
	@$(BIN)/lint-imports --no-logo

lint-types:
	@$(BIN)/mypy

lint-chart:
	@$(PREPARE) environment chart
	@PYTHONPATH=tools $(BIN)/python -m chart

lint-page:
	@$(NPM) run lint
	@$(NPM) run typecheck

fmt: python ## Format the Python and page sources
	@$(PREPARE) environment
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(NPM) run format

bench: python ## Print each figure of speed and memory with its bound; a miss fails
	@$(PREPARE) environment page
	@$(BIN)/python -m bench $(ARGS)

chaos: python ## Kill everything hundreds of times and count what was lost (ARGS="--quick" for the short run)
	@$(PREPARE) environment page
	@$(BIN)/python -m bench.chaos $(ARGS)

bench-cluster: python ## The same for sessions on an API server (and, where there is one, on a node)
	@$(PREPARE) environment
	@$(BIN)/python -m bench.cluster $(ARGS)

e2e-binaries: python ## Build the programs of a Kubernetes node from their Go modules, once
	@$(PREPARE) environment
	@$(BIN)/python -m e2e binaries $(ARGS)

e2e: python ## Tests on a real Kubernetes node that this makes and removes (as root; ARGS go to pytest)
	@$(PREPARE) environment page
	@$(BIN)/python -m e2e test -m "not long" $(ARGS)

e2e-long: python ## The same with absences of minutes, and ten minutes of watching memory
	@$(PREPARE) environment page
	@$(BIN)/python -m pytest -m long tests
	@$(BIN)/python -m bench.cluster --only flat
	@$(BIN)/python -m e2e test -m "long or not long" $(ARGS)

images: python ## Build the container images with buildah and print their sizes
	@$(PREPARE) environment page
	@$(BIN)/python -m e2e images

generate: python ## Make again what has its source elsewhere: stubs, API client, reference pages
	@$(PREPARE) environment
	@PYTHONPATH=tools $(BIN)/python -m generate
	@$(NPM) run generate

check-generated: generate
	@test -z "$$(git status --porcelain)" || { git --no-pager diff --stat; git status --short; \
	  echo "Generated files differ from their sources, or there are other changes: commit what make generate made."; exit 1; }

build-page: python ## Build the page into frontend/dist
	@$(PREPARE) page

lock: python ## Pin the newest allowed versions that pyproject.toml files ask for into requirements.lock
	@$(PREPARE) environment
	@PYTHONPATH=tools $(BIN)/python -m generate lock

clean: ## Remove everything that the other targets made; data of `csp up` stays
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache frontend/node_modules frontend/dist

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found on the PATH." >&2; exit 1; }
