# The verbs of this repository: `make help`.
# `make demo` and `make test` set everything up themselves; nothing is written outside this folder.

VENV   := .venv
BIN    := $(VENV)/bin
# The stamp says which lock, project file and Python the environment was made from.
STAMP  := $(VENV)/installed.sha256
# Any Python of 3.11 to 3.13; the first one found. `make demo PYTHON=python3.12` chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint type format conformance bench bench-smoke reconciliation up down check lock clean

help: ## show the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from requirements.lock; takes no time when it is up to date
	@bash deploy/local/setup.sh "$(PYTHON)" $(VENV) $(STAMP)

demo: setup ## real ticks become signals on real Kafka; ARGS="--speed 10 --serve"
	@$(BIN)/mps demo $(ARGS)

test: setup ## lint, types and all tests
	@$(BIN)/python -m processors.precompile & compiling=$$!; \
	{ echo "== lint" && $(MAKE) --no-print-directory lint && echo "== types" && $(MAKE) --no-print-directory type; } \
	|| { kill $$compiling; exit 1; }; wait $$compiling
	@echo "== tests" && $(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }

type: setup ## mypy, strict
	@$(BIN)/mypy

format: setup ## rewrite the files as lint wants them
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

conformance: setup ## check known answers; DATA=folder for others of the same form
	@$(BIN)/python -m tests.conformance $(if $(DATA),--data "$(DATA)") $(ARGS)

bench: setup ## benchmarks side by side with peers
	@$(BIN)/python -m bench.run $(ARGS)

bench-smoke: setup ## throughput of reconcile and bars in about a minute
	@$(BIN)/python -m bench.smoke $(ARGS)

reconciliation: setup ## reconcile against a known truth and on recorded markets; writes docs/reconciliation.md
	@$(BIN)/python -m bench.reconciliation $(ARGS)

up: setup ## start Kafka, Redis and the schema registry in the background
	@$(BIN)/mps up $(ARGS)

down: setup ## stop whatever `make up` or a crashed demo left
	@$(BIN)/mps down

check: setup ## look at this machine: Java, ports, disk, parts
	@$(BIN)/mps doctor

lock: setup ## solve both locks again, with hashes, for Python 3.11 to 3.13
	@bash deploy/local/lock.sh $(BIN)/uv $(ARGS)

clean: ## remove what make has made, data of the platform included
	@if [ -x $(BIN)/mps ] && [ -d .mps ]; then $(BIN)/mps down || true; fi
	rm -rf $(VENV) .cache .mps .mypy_cache .pytest_cache .ruff_cache .hypothesis build mps.egg-info
