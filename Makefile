# make demo | test | test-ci | test-all | fuzz | bench | lint. The first call makes .venv and installs what is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= auto
# The Python that runs the benchmarks: one with the peers, if they are to take part.
BENCH_PYTHON ?= $(BIN)/python
# What the native engine looks for; without any it takes the one that pip installs.
COMPILER_IS_THERE := { test -n "$$CC" || command -v cc || command -v gcc || command -v clang; } >/dev/null
export PIP_DISABLE_PIP_VERSION_CHECK := 1

FUZZ_SEED ?= 1

.PHONY: help demo test test-ci test-all fuzz bench bench-gpu lint format clean
help:
	@echo "make demo       fit the competition example and draw the fit"
	@echo "make test       formatting, lint, types and the tests"
	@echo "make test-all   as well the slow tests: sanitizers, each compiler, the whole problem sets"
	@echo "make test-ci    of those with many cases one case in five: what a push must pass"
	@echo "make fuzz       30,000 texts, 300 compiled models, 60 on both engines, 600 slopes (FUZZ_SEED=1): 40 minutes"
	@echo "make bench      speed and memory, as ratios measured in one run (bench-gpu: on an NVIDIA GPU)"
	@echo "make lint       formatting, lint and types alone"
	@echo "make format     rewrite the Python sources in the house format"
	@echo "make clean      remove .venv and caches"

# torch comes first and pinned: an unpinned one can pull in gigabytes.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0 hatchling
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[dev]'
	$(COMPILER_IS_THERE) || $(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[compiler]' \
		|| echo "no C compiler is there and none could be installed: models run on torch"
	touch $@

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One thread per worker: the workers already share the cores.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal

test: lint
	$(PYTEST) -m "not slow"

test-ci: lint
	$(PYTEST) --thin 5

test-all: lint
	$(PYTEST)

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --seed $(FUZZ_SEED) --texts 30000 --compile 300 --native 60 --slopes 600

demo: $(INSTALLED)
	@mkdir -p demo
	@echo "1. compile examples/competition/competition.ode to demo/competition.py"
	@$(BIN)/odec compile examples/competition/competition.ode -o demo/competition.py
	@echo "2. fit it to examples/competition/data.csv from the round start values of start.ode"
	@$(BIN)/odec fit examples/competition/start.ode examples/competition/data.csv \
		-o demo --plot demo/fit.png
	@echo
	@echo "The model as a torch module:   demo/competition.py"
	@echo "The picture of data and fit:   demo/fit.png"
	@echo "Values, history, provenance:   demo/fit.json"
	@echo "The model with fitted values:  demo/fit.ode"

bench: $(INSTALLED)
	$(BENCH_PYTHON) -m benchmarks

bench-gpu: $(INSTALLED)
	$(BENCH_PYTHON) -m benchmarks.gpu

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
