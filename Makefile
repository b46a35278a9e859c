# `make help` lists the targets. Needs Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check e2e soak simulation mutants browser clients deploy-check bench schemas pictures rails-table clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Trinario needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	@echo "Making .venv ..."
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml
	@echo "Installing Trinario (about half a minute the first time) ..."
	@$(PIP) install --quiet --editable . && touch $@

$(VENV)/.test: $(VENV)/.run pyproject.toml
	@echo "Installing the test tools ..."
	@$(PIP) install --quiet $$($(BIN)/python -c 'import tomllib; g = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]; print(*g["test"], *g["check"])') && touch $@

run: $(VENV)/.run ## start everything on this machine with demo people; Ctrl-C stops it all
	@exec $(BIN)/trinario up --demo

test: $(VENV)/.test ## run the tests (what .ci/run calls)
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not e2e" --ignore tests/browser --ignore tests/clients

e2e: $(VENV)/.test ## the story over real processes, with kill -9
	@$(BIN)/python -m pytest -m e2e tests/e2e

soak: $(VENV)/.test ## people write while everything is killed: make soak SEED=7 MINUTES=10 SERVERS=3
	@$(BIN)/python -m tests.soak $(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),5) --servers $(or $(SERVERS),1)

simulation: $(VENV)/.test ## other schedules than the tests', and more: make simulation EXAMPLES=1000000; one of them: make simulation WORLD=whole SEED=7
	@$(BIN)/python -m tests.simulation --world $(or $(WORLD),bus) $(if $(SEED),--seed $(SEED)) --schedules $(or $(EXAMPLES),$(if $(SEED),1,100000))
	@$(if $(SEED)$(WORLD),true,$(BIN)/python -m tests.simulation --world whole --schedules $(or $(EXAMPLES),5000))
	@$(if $(SEED)$(WORLD),true,TRINARIO_EXAMPLES=$(or $(EXAMPLES),5000) $(BIN)/python -m pytest --timeout 0 tests/simulation/test_agreement.py)

mutants: $(VENV)/.test ## plant bugs in a copy, and expect the tests to find each
	@$(BIN)/python -m tests.mutants

browser: $(VENV)/.test ## the web page in a real Chromium (installs it from the system's packages when it is missing)
	@command -v chromium >/dev/null || { echo "Installing Chromium ..."; apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	@$(PIP) install --quiet $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["browser"])')
	@$(BIN)/python -m pytest tests/browser

clients: $(VENV)/.test ## published clients for Node against the rails (needs node and npm)
	@command -v npm >/dev/null || { echo "npm is needed, and is not here: install Node.js 18 or newer"; exit 1; }
	@$(BIN)/python -m pytest tests/clients

check: $(VENV)/.test ## format, lint, types, import contracts
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

deploy-check: $(VENV)/.test ## what each file in deploy/ is read by says that it is well-formed (no daemon is started)
	@$(PIP) install --quiet $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["deploy"])')
	@$(BIN)/hadolint deploy/Dockerfile && echo "deploy/Dockerfile: well"
	@$(BIN)/docker-compose -f deploy/compose.yaml config --quiet && echo "deploy/compose.yaml: well"
	@$(BIN)/kubernetes-validate --strict deploy/kubernetes/trinario.yaml
	@$(BIN)/python -m tests.units deploy/systemd

bench: $(VENV)/.test ## routed events a second beside the bare relay; figures in bench/results/latest.json
	@$(BIN)/python -m bench

schemas: $(VENV)/.run ## write JSON Schema and the AsyncAPI document anew
	@$(BIN)/python -m bus.asyncapi docs/schemas

pictures: $(VENV)/.test ## make the docs' pictures of the terminal anew, from a real run
	@$(BIN)/python -m tests.pictures

rails-table: $(VENV)/.test ## write the tables of docs/rails.md anew
	@$(BIN)/python -m tests.conformance.table
	@$(BIN)/python -m tests.arrivals

clean: ## remove .venv and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache
