# Every task of the project; `make` lists them. Each installs what it needs into .venv first.
.DEFAULT_GOAL := help
SHELL := bash
BIN := .venv/bin
EXTRAS ?=
# Extras that PyPI alone can serve. Not tensorrt: its package fetches the real one from the vendor's own host.
ALL_EXTRAS := cassandra redis s3 torch
TESTS ?= tests/unit tests/contract tests/integration
# Tests mostly wait for servers and processes: two at a time on two cores. Each of the two starts a Kafka of its own.
WORKERS ?= 2
PYTEST := $(BIN)/pytest
ifdef ALL
DEV := dev $(ALL_EXTRAS)
export DARKROOM_TEST_ALL := 1
else
DEV := dev
endif

.PHONY: help install dev demo up test lint types arrows pytest format schema schema-check kafka bench simulate storm chaos clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## install Darkroom into .venv (EXTRAS="torch s3 …" for more)
	@scripts/install $(EXTRAS)

demo: install ## a picture from a prompt: Kafka, agents and a GPU-less engine, on this machine
	@$(BIN)/darkroom demo

up: install ## everything on this machine, until Ctrl-C
	@$(BIN)/darkroom up

test: lint types arrows schema-check pytest ## all checks and tests (ALL=1: with every extra, and none may be missing)

dev:
	@scripts/install $(DEV)

lint: dev ## style, by ruff
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "run: make format" >&2; exit 1; }

types: dev ## types, by mypy --strict
	@$(BIN)/mypy --no-error-summary

arrows: dev ## who may import whom, by import-linter
	@$(BIN)/lint-imports --no-cache --no-logo > .venv/arrows.log 2>&1 || { cat .venv/arrows.log >&2; exit 1; }

kafka: dev
	@$(BIN)/python -m infra.local.warm

pytest: dev kafka ## the tests alone (TESTS="…" for some; WORKERS=0: one after the other)
	@$(PYTEST) -n $(WORKERS) --dist loadgroup --durations=10 --durations-min=1 $(TESTS)

format: dev ## rewrite the code in the project's style
	@$(BIN)/ruff check --fix --quiet --exit-zero && $(BIN)/ruff format --quiet

schema: dev ## write JSON Schema, AsyncAPI, docs/contract.md and docs/settings.md from the code
	@$(BIN)/python -m contracts.export
	@$(BIN)/python -m infra.settings_page

schema-check: dev ## fail if those differ from the code
	@$(BIN)/python -m contracts.export --check
	@$(BIN)/python -m infra.settings_page --check

bench: install ## jobs per second: Darkroom and other task queues, on this machine
	@$(BIN)/python -m loadtest.bench

simulate: dev ## the scheduler against baselines and a bound, in simulated time (SEEDS="1 2 3")
	@$(BIN)/python -m loadtest.simulate $(if $(SEEDS),--seeds $(SEEDS))

storm: DEV += cassandra redis s3
storm: dev kafka ## everything struck at random under load, and an oracle over what is left (SEED=1 JOBS=2000 BROKERS=3 STORES=real)
	@$(BIN)/python -m loadtest.storm --seed $(or $(SEED),1) --jobs $(or $(JOBS),2000) --brokers $(or $(BROKERS),3) \
		--stores $(or $(STORES),real)

chaos: dev kafka ## kill things for minutes, and count what is lost
	@$(PYTEST) -m chaos tests

clean: ## remove caches and built files; .venv and data stay
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
