# `make demo` and `make test` do all set-up on a fresh machine: a virtual environment in .venv and the install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUTPUT ?= results

.PHONY: install demo test test-fast lint format benchmark bench-orchestration clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/almsweep run demo --output $(OUTPUT)

test: install
	$(BIN)/python -m pytest

test-fast: install
	$(BIN)/python -m pytest -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-orchestration: install
	$(BIN)/python -m tests.benchmarks.orchestration --json bench-orchestration.json

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
