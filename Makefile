# Needs make and Python 3.11 or later, nothing else: what the targets use is installed into .venv on first use.
PYTHON ?= python3
BIN := .venv/bin
# The independent implementations that `make test-peers` compares with.
PEERS := torch==2.13.0 torchsde==0.2.6 jax==0.10.2 diffrax==0.7.2 sdeint==0.3.0 diffusers==0.35.2 fplanck==0.2.2 blackjax==1.7.1 deeptime==0.5.0 py-pde==0.59.0
# Processes that share the tests. BLAS keeps to one thread in each: threads of two processes on two cores wait for one
# another in loops (18 s of a core for 1 s of work, in a test of banded solves).
WORKERS ?= 2
FIGURES := $(filter-out figures/_%,$(wildcard figures/*.py))

.DEFAULT_GOAL := help
.PHONY: help install verify test test-all test-gpu test-peers lint figures benchmark benchmark-fokker-planck benchmark-convergence planted-bugs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-23s %s\n", $$1, $$2}' Makefile

install: .venv/installed ## install fpsde and its tools into .venv (PYTHON=python3.12 chooses the interpreter)

verify: install ## judge the chain of laws of every process; tables, JSON and pictures in out/
	$(BIN)/fpsde verify --out out

test test-all: export OPENBLAS_NUM_THREADS := 1

test: lint ## ruff, mypy and the fast tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-all: lint ## the same with the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m ""

test-gpu: install ## what only a GPU can tell (pip install -e '.[cuda13]'); skipped, with the reason, without one
	$(BIN)/python -m pytest -m gpu -rs tests/gpu

test-peers: .venv-peers/installed ## steps beside torchsde, diffrax and sdeint, audits of eight packages, in an environment of their own
	.venv-peers/bin/python -m pytest tests/peers

lint: install ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

figures: install ## draw every picture of figures/ again
	@set -e; for script in $(FIGURES); do echo $$script; MPLBACKEND=Agg $(BIN)/python $$script; done

benchmark: install ## particle-steps per second, beside the peers that are installed (pip install -e '.[peers]'); JSON in out/
	@mkdir -p out
	$(BIN)/python benchmarks/particles.py --json out/benchmark_particles.json

benchmark-fokker-planck: install ## time to an error, beside SciPy and the solvers installed (pip install -e '.[solvers]'); JSON in out/
	@mkdir -p out
	$(BIN)/python benchmarks/fokker_planck.py --json out/benchmark_fokker_planck.json

planted-bugs: install ## planted defects against the audits: which level finds each; table, JSON and figure in out/
	$(BIN)/python benchmarks/planted_bugs.py --out out

benchmark-convergence: install ## every scheme against its documented orders; table and JSON in out/
	$(BIN)/fpsde converge --all --out out

clean: ## remove what the targets made, .venv and .venv-peers excepted
	rm -rf out build dist fpsde.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path './.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || \
	    { echo "fpsde needs Python 3.11 or later, but there is no $(PYTHON); say which with: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "fpsde needs Python 3.11 or later, but $(PYTHON) is: $$($(PYTHON) --version 2>&1); say which with: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	    { rm -rf .venv; echo "$(PYTHON) has no venv module (Debian: apt-get install python3-venv)"; exit 1; }

# The stamp is newer than the settings it was installed from, so a second `make` installs nothing.
.venv/installed: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@

.venv-peers/installed: setup.cfg pyproject.toml Makefile | .venv/bin/python
	$(BIN)/python -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]' $(PEERS)
	@touch $@
