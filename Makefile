# `make demo` and `make test` are all the set-up there is: each makes the environment it needs in .venv.

PYTHON ?= python3
BIN := .venv/bin
# The two ONNX Runtime wheels own one import name: the GPU wheel where there is an NVIDIA driver, else the small one.
ORT := $(if $(shell command -v nvidia-smi 2>/dev/null),onnx,onnx-cpu)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-nojit deep-test check bench recipes clean

help:
	@echo "make demo [VIDEOS=folder]   videos -> pairs -> training -> ONNX -> neighbours, with a page to look at"
	@echo "make test                   the tests"
	@echo "make test-nojit             the tests of the kernels, without compiling them"
	@echo "make deep-test              a billion fresh pairs against every law of docs/statistics.md (20 minutes)"
	@echo "make check                  ruff, mypy --strict, import-linter"
	@echo "make bench                  the figures of docs/benchmarks.md (about ten minutes; nothing else should run)"
	@echo "make recipes                the experiments behind docs/training.md (hours)"
	@echo "make clean                  remove the environment and the demo"

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "stpairs needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no venv for $(PYTHON): on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@touch $@

.venv/runs: .venv/made pyproject.toml constraints.txt
	@echo "Installing stpairs with torch and ONNX Runtime into .venv (some minutes, once)"
	$(PIP) -e ".[cli,torch,$(ORT),search,eval]"
	@touch $@

.venv/develops: .venv/runs
	$(PIP) -e ".[test,check]"
	@touch $@

demo: .venv/runs
	$(BIN)/stpairs demo $(if $(VIDEOS),--videos "$(VIDEOS)") --out demo

test: .venv/develops
	$(BIN)/python -m pytest

# The kernels' own source as plain Python, against the same oracles.
test-nojit: .venv/develops
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q tests/test_rng.py tests/test_boxes.py tests/test_plan.py tests/test_color.py \
	  tests/test_materialize.py tests/test_kernel_twins.py

deep-test: .venv/develops
	$(BIN)/python -m pytest -s -m deep tests

check: .venv/develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The peers are compared with, and never needed: constraints.txt keeps the torch that is here.
.venv/benches: .venv/runs
	$(PIP) -e ".[bench]"
	@touch $@

bench: .venv/benches
	$(BIN)/python -m benchmarks.core

recipes: .venv/runs
	$(BIN)/python benchmarks/recipes.py --recipes all --out benchmarks/results/recipes.jsonl

clean:
	rm -rf .venv demo dist
