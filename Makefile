# `make demo` and `make test` do all set-up on a fresh machine: a virtual environment in .venv and the install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUTPUT ?= results
# A process per core, so each of them computes with one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8
QUICK := $(PYTEST) --dist worksteal
# Tests of one file, which may share a server, stay in one process.
SLOW := $(PYTEST) --dist loadscope

.PHONY: install demo pictures reference test test-sweeps test-group test-all test-containers faults lint format bench \
	bench-orchestration clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/almsweep run demo --output $(OUTPUT)

# README's pictures and docs/demo-table.md, from a fresh run of the demo.
pictures: install
	$(BIN)/python -m docs.pictures

# The pages in docs/reference, from the types and docstrings that they tell of.
reference: install
	$(BIN)/python -m docs.reference

test: install
	$(QUICK) -m "not slow"

# Slow tests of what any change can break.
test-sweeps: install
	$(SLOW) -m "slow and not group"

# One group of the other slow tests, such as GROUP=search; `python -m tests.groups` lists them.
test-group: install
	$(SLOW) -m "group(name='$(GROUP)')"

test-all: test
	$(SLOW) -m slow

# The image and the compose stack with a real container engine; BUILD are options of `docker build`.
test-containers: install
	ALMSWEEP_TEST_BUILD="$(BUILD)" $(BIN)/python -m pytest -m containers -s -x tests/containers

# Every fault of the matrix in the middle of a small sweep, and a table of what came of each; takes a while.
faults: install
	$(BIN)/python -m tests.integration.faults

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Whatever DATA names holds cifar10/train.parquet; ARGS are options of the command, such as ARGS=--quick.
bench: install
	$(BIN)/python -m benchmarks.speed $(if $(DATA),--data $(DATA)) $(ARGS)

# 3,284 trials without training, beside plain Ray Tune: an hour or two on two cores.
bench-orchestration: install
	$(BIN)/python -m benchmarks.orchestration --json bench-orchestration.json $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
