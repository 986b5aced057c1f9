# Every target sets up what it needs: `make test` in a fresh clone is enough.
# Variables: make test PYTHON=python3.12 VENV=/tmp/venv ARGS="-k tasks"

PYTHON ?= python3
VENV ?= .venv
SOPILOT_HOME ?= ./sopilot_home
PORT ?= 3000
VIEW_PORT ?= 3001
DESK_PORT ?= 8000
WORKERS ?= 3
ARGS ?=
FUZZ ?= 1000
# make soak: cycles of the campaign, seconds from one to the next, and the seed of drops and faults
SOAK_CYCLES ?= 96
SOAK_INTERVAL ?= 20
SOAK_SEED ?= 1
# make image: what builds it, upon what, and its name
ENGINE ?= $(firstword $(foreach one,podman docker,$(if $(shell command -v $(one)),$(one))) podman)
BASE ?= docker.io/library/python:3.11-slim-bookworm
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' sopilot_assets/__init__.py)
IMAGE ?= localhost/sopilot:$(VERSION)
# The package index that holds the wanted build of torch (README, Try it); empty takes pip's own.
TORCH_INDEX ?=

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

override SOPILOT_HOME := $(abspath $(SOPILOT_HOME))
export SOPILOT_HOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BUILDER := $(VENV)-bundle
BENCH_INSTALLED := $(VENV)/.bench_installed
# Those that need no labeled recordings; each takes arguments of its own: python -m benchmarks.NAME --help
BENCHMARKS ?= dagster_overhead decoding dtw evidence golds ingest
LOG := $(VENV)/install.log
# With bytecode kept, whatever the caller's environment says: the tests start some hundred processes.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
THOROUGH := capture/test_intake.py cli/test_runbook.py desk/test_killed_uploads.py desk/test_marking_kills.py \
  evidence/test_faults.py soak/test_kills.py soak/test_upgrade_kills.py store/test_publish_faults.py \
  studies/test_split_laws.py upkeep/backup/test_verify.py
PIP := $(BIN)/python -m pip install --progress-bar off -c constraints.txt
# pip's own lines worth seeing; all of them are in $(LOG)
SHOWN := ^(Installing|Successfully|ERROR|error)|^ *Downloading .*\([0-9.]+ [MG]B\)

.PHONY: help
help: ## Show this help
	@echo "sopilot-assets: scores recorded work against a standard operating procedure"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'
	@echo
	@echo "  Variables: PYTHON=$(PYTHON) VENV=$(VENV) SOPILOT_HOME=$(SOPILOT_HOME) PORT=$(PORT) VIEW_PORT=$(VIEW_PORT) DESK_PORT=$(DESK_PORT) WORKERS=$(WORKERS) ARGS TORCH_INDEX"

.PHONY: setup
setup: $(INSTALLED) ## Make the virtual environment and install the pinned packages (the other targets do this)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, found: $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
	  echo "Install one and name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "[setup 1/3] Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "python -m venv failed; on Debian and Ubuntu install the package python3-venv. Then run make again." >&2; \
	  rm -rf $(VENV); exit 1; }

$(INSTALLED): $(BIN)/python pyproject.toml constraints.txt
	@echo "[setup 2/3] Updating pip"
	@$(PIP) --upgrade pip >$(LOG) 2>&1 || { tail -n 20 $(LOG) >&2; exit 1; }
	@echo "[setup 3/3] Installing the packages pinned in constraints.txt (some minutes; everything is in $(LOG))"
	@if [ -n "$(TORCH_INDEX)" ]; then \
	  $(PIP) --index-url "$(TORCH_INDEX)" torch 2>&1 | tee -a $(LOG) | { grep --line-buffered -E '$(SHOWN)' || true; }; fi
	@$(PIP) --build-constraint constraints.txt -e '.[dev]' 2>&1 | tee -a $(LOG) | { grep --line-buffered -E '$(SHOWN)' || true; } | cut -c 1-200 || { \
	  echo "The installation failed; the end of $(LOG):" >&2; tail -n 20 $(LOG) >&2; exit 1; }
	@touch $@
	@echo "[setup] Done"

.PHONY: demo
demo: $(INSTALLED) ## Simulate recordings of a filter change, score them, and show what came out
	@echo "[demo] Simulating, capturing and scoring below $(SOPILOT_HOME)"
	@$(BIN)/sopilot demo run $(ARGS)

.PHONY: test
test: $(INSTALLED) ## Run the tests but those that try the whole product (minutes)
	@echo "[test] pytest with $(WORKERS) workers"
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not whole" $(ARGS)

.PHONY: test-all
test-all: $(INSTALLED) ## Run all tests, as continuous integration does: also kills, browsers, several machines
	@echo "[test-all] pytest with $(WORKERS) workers"
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: thorough
thorough: $(INSTALLED) ## Run in full the tests that `make test-all` bounds: kills, random studies, flipped bits (hours)
	@SOPILOT_KILLS=300 SOPILOT_DATA_SETS=10000 SOPILOT_FLIPS=20000 SOPILOT_WITH_DAEMON=1 \
	  $(PYTEST) -n $(WORKERS) --dist loadfile $(addprefix sopilot_assets_tests/,$(THOROUGH)) $(ARGS)

.PHONY: check
check: $(INSTALLED) ## Check formatting, lint, types and Dagster's definitions
	@echo "[check] ruff format, ruff check, mypy, dg check defs"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@folder=$$(mktemp -d) && cp dagster.yaml $$folder && trap "rm -r $$folder" EXIT && \
	  DAGSTER_HOME=$$folder SOPILOT_HOME=$$folder/home $(BIN)/dg check defs

.PHONY: format
format: $(INSTALLED) ## Format the code and mend what ruff can
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: commands
commands: $(INSTALLED) ## Write docs/commands.md from the command line
	@$(BIN)/python -m sopilot_assets.cli.guide >docs/commands.md

.PHONY: dev
dev: $(INSTALLED) ## Run the desk on 127.0.0.1:DESK_PORT, Dagster's web page on PORT, and its daemon
	@$(BIN)/sopilot home init
	@echo "[dev] Recordings go to $(SOPILOT_HOME)/capture"
	@export PATH="$(abspath $(BIN)):$$PATH"; \
	  $(BIN)/sopilot desk serve --port $(DESK_PORT) & desk=$$!; \
	  $(BIN)/sopilot web serve --port $(PORT) $(ARGS) & web=$$!; \
	  trap 'kill $$desk $$web 2>/dev/null; wait' EXIT; wait -n

.PHONY: view
view: $(INSTALLED) ## Show the web page for viewers, who can change nothing, on 127.0.0.1:VIEW_PORT
	@$(BIN)/sopilot web serve --read-only --port $(VIEW_PORT) $(ARGS)

.PHONY: bench
bench: $(BENCH_INSTALLED) ## Run the measurements in benchmarks/ that need no labeled recordings (minutes)
	@for name in $(BENCHMARKS); do echo "[bench] $$name"; $(BIN)/python -m benchmarks.$$name; done

$(BENCH_INSTALLED): $(INSTALLED)
	@echo "[bench] Installing the libraries to compare with (everything is in $(LOG))"
	@$(PIP) --build-constraint constraints.txt -e '.[bench]' 2>&1 | tee -a $(LOG) | { grep --line-buffered -E '$(SHOWN)' || true; } | cut -c 1-200 || { \
	  echo "The installation failed; the end of $(LOG):" >&2; tail -n 20 $(LOG) >&2; exit 1; }
	@touch $@

.PHONY: soak
soak: $(INSTALLED) ## Run a campaign of SOAK_CYCLES=96 in short time with faults; exit code 1 where something is lost
	@echo "[soak] $(SOAK_CYCLES) cycles of $(SOAK_INTERVAL) s, seed $(SOAK_SEED); the report goes to soak.md"
	@$(BIN)/python -m sopilot_assets_tests.soak --cycles $(SOAK_CYCLES) --interval $(SOAK_INTERVAL) --seed $(SOAK_SEED) $(ARGS)

.PHONY: bundle
bundle: ## Make dist/sopilot-VERSION, to install without a network; KEY=FILE signs it
	@echo "[bundle] Packages, pages, licences and a bill of materials (some minutes)"
	@$(PYTHON) -m venv $(BUILDER)
	@$(BUILDER)/bin/python -m pip install --quiet --upgrade pip
	@$(BUILDER)/bin/python -m pip install --quiet -c constraints.txt cyclonedx-bom markdown
	@$(BUILDER)/bin/python -m installer.bundle $(if $(KEY),--key "$(KEY)")

dist/sopilot-$(VERSION):
	@$(MAKE) --no-print-directory bundle

.PHONY: image
image: dist/sopilot-$(VERSION) ## Build the container image from that folder; ENGINE=podman BASE=IMAGE name others
	@echo "[image] $(IMAGE) upon $(BASE), by $(ENGINE)"
	@moment=$$(git log -1 --format=%ct 2>/dev/null || echo 0); \
	  $(ENGINE) build --file Containerfile --tag "$(IMAGE)" --build-arg BASE="$(BASE)" --build-arg VERSION=$(VERSION) \
	    --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
	    $(if $(findstring docker,$(ENGINE)),--build-arg SOURCE_DATE_EPOCH=$$moment,--timestamp $$moment) $(ARGS) $<

.PHONY: trial
trial: ## Try the services on a real systemd, in a machine of its own (root): BUNDLE=dist/sopilot-VERSION
	@$(PYTHON) -m installer.trial --bundle "$(BUNDLE)"

.PHONY: fuzz
fuzz: $(INSTALLED) ## Let schemathesis make FUZZ=1000 requests to each endpoint of the API, right and wrong ones
	@SOPILOT_FUZZ=$(FUZZ) $(PYTEST) sopilot_assets_tests/desk/test_api_fuzzed.py $(ARGS)

.PHONY: clean
clean: ## Remove the virtual environment and caches; recordings and scores stay
	@echo "[clean] Removing $(VENV) and caches; $(SOPILOT_HOME) stays"
	@rm -rf $(VENV) $(BUILDER) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
