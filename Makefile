# Everything a contributor types. The only needs are Python 3.11+, git, make and a C compiler:
# uv, PostgreSQL and Node come from PyPI, the rest of the legacy app from npm.
SHELL := /bin/bash
# A distribution builds its Python with profiles; one that was only compiled takes about a sixth longer for a request.
PYTHON ?= $(shell for one in /usr/bin/python3 python3; do \
  $$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$one && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONDONTWRITEBYTECODE # compiling everything anew would double each start

.PHONY: help env demo demo-reset check format lint types layers test bench fuzz soak trials lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

env: .venv/.synced legacy/node_modules/.synced tests/frontend/node_modules/.synced ## the environment, Python and Node

demo: .venv/.synced legacy/node_modules/.synced ## start legacy, PostgreSQL and the gateway (ARGS="--traffic 5" plays the frontend)
	@$(BIN)/strangler demo $(ARGS)

demo-reset: .venv/.synced ## forget the demo's data
	@$(BIN)/strangler demo --reset $(ARGS)

check: env lint types layers test ## format, lint, types, import layers, all tests

format: .venv/.synced ## rewrite the files in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/.synced
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.synced
	$(BIN)/mypy

layers: .venv/.synced
	$(BIN)/lint-imports --no-timings 2>/dev/null || $(BIN)/lint-imports

test: env ## all tests, several parts at once; with ARGS, what they choose
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	@$(BIN)/python -m tests
endif

bench: .venv/.synced ## the gateway beside other proxies, about 15 minutes (ARGS="--micro", "--loads get-64 --rounds 1")
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: .venv/.synced ## hostile requests and answers, 100,000 mutations each, about ten minutes (ARGS="--mutations 5000 --seed 7")
	@$(BIN)/python -m tests.fuzz $(ARGS)

soak: .venv/.synced ## flips, resets and restarts under load, five minutes: nothing lost, doubled, crossed, cut (ARGS="--minutes 1 --front asgi")
	@$(BIN)/python -m tests.soak $(ARGS)

trials: env ## five stalled gigabytes, real browser clients, restarts under load, a crowd: about fifteen minutes
	@$(BIN)/python -m tests.trials

lock: .tools/bin/uv ## make requirements.lock and the npm locks anew
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml \
	  --all-extras --group dev -o requirements.lock --upgrade -q
	cd legacy && npm install --package-lock-only --omit-lockfile-registry-resolved
	cd tests/frontend && npm install --package-lock-only --omit-lockfile-registry-resolved
	cd tests/bench/peers && npm install --package-lock-only --omit-lockfile-registry-resolved

clean: ## remove what was installed, keep the demo's data
	rm -rf .venv .tools legacy/node_modules tests/frontend/node_modules

.tools/bin/uv:
	python3 -m venv .tools 2>/dev/null || $(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet uv

.venv/.synced: requirements.lock pyproject.toml $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	test -d .venv || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python .venv --require-hashes --compile-bytecode requirements.lock
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

%/node_modules/.synced: %/package-lock.json .venv/.synced
	cd $* && npm ci --silent --no-audit --no-fund
	@touch $@
