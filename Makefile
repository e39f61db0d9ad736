# Every target makes its own environment in .venv when it is missing or out of date.
# Needs only Python 3.11 or newer with venv: `make quickstart PYTHON=python3.12` names another one.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUNS   ?= runs
ARGS   ?=
DATA   ?= comparisons.jsonl
# One process per core, one thread each: faster here than threads that wait for each other.
WORKERS ?= 2
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
QUIET_CPU := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help quickstart test check format proof bench vllm docs wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

quickstart: $(VENV)/.train ## the whole loop in the built-in world: about ten minutes, ends with report.html
	$(BIN)/preftune quickstart --out $(RUNS)/quickstart $(ARGS)

test: $(VENV)/.everything $(VENV)/.browser $(VENV)/.postgres ## the tests
	$(QUIET_CPU) $(BIN)/python -m pytest -n $(WORKERS) --durations 20 $(ARGS)

check: $(VENV)/.everything ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.everything ## sort imports and lay out the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proof: $(VENV)/.everything $(VENV)/.browser $(VENV)/.postgres vllm ## the slow tests: wheels in empty environments, many kills, a whole quickstart
	$(QUIET_CPU) $(BIN)/python -m pytest -m proof --timeout 3600 $(ARGS)

bench: $(VENV)/.everything ## the speed table against the peers in .peers: make bench DATA=comparisons.jsonl
	$(BIN)/preftune bench all --data $(DATA) $(ARGS)

vllm: ## an environment of its own with vLLM for processors, in .venv-vllm
	.ci/vllm

docs: $(VENV)/.everything ## the documentation site, in site/
	$(BIN)/mkdocs build --strict --quiet

wheel: $(VENV)/.everything ## dist/preftune-*.whl
	$(BIN)/python -m hatchling build -t wheel

clean: ## what the other targets made, the environment included; runs/ stays
	rm -rf $(VENV) site dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, in steps, each with a stamp. torch first, by its exact version: a range may bring
# gigabytes of CUDA to a machine without a GPU.

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("preftune needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.torch: $(VENV)/.made constraints.txt
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e '.[train]'
	touch $@

$(VENV)/.everything: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e '.[train,qlora,postgres,control,datasets,metrics,tensorboard,test,docs,dev]'
	touch $(VENV)/.train $@

$(VENV)/.browser: $(VENV)/.everything .ci/browser
	.ci/browser
	touch $@

$(VENV)/.postgres: $(VENV)/.everything .ci/postgres
	.ci/postgres
	touch $@
