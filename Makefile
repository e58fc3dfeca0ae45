# `make demo` and `make test` each work alone on a fresh clone: they set everything up first.
# Needed: Python 3.11 to 3.13, git and a package index.

# PYTHON=/path/to/python3.12 takes that one. EXTRAS='ray sentencepiece' installs optional parts.
# TORCH='torch --index-url ...' takes another build of torch than pip would: docs/install.md.
PYTHON ?=
EXTRAS ?=
TORCH ?=
STARTED := $(shell date +%s)
VENV := .venv
BIN := $(VENV)/bin

export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false
# DVC runs the stages' `python`: it must be the one of the virtual environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup lock weight licences sbom .setup-tools demo repro grow test lint ui report bench soak fuzz mutants data profile results docs clean

help:
	@echo 'make demo                  run the whole pipeline on the embedded default, print the table'
	@echo 'make test                  lint and test'
	@echo 'make repro                 run what params.yaml asks for'
	@echo 'make grow                  add seeds until filter_pairs.target_kept pairs are kept'
	@echo 'make ui                    MLflow UI on http://127.0.0.1:5000'
	@echo 'make report                build the report page and name it'
	@echo 'make data FROM=DIR         bring files of yours to data/external/'
	@echo 'make profile NAME=cpu      put profiles/cpu.yaml in force'
	@echo 'make results NAME=cpu      keep the finished run in docs/results/cpu/'
	@echo 'make docs                  write the tables in docs/ that repeat code'
	@echo 'make bench                 benchmarks; lint; clean'
	@echo 'make soak KILLS=100 SEED=1 kill a small pipeline at random moments, compare what is left'
	@echo 'make fuzz EXAMPLES=10000   made-up files and answers; mutants: small changes of the code'
	@echo 'make weight, licences      what is installed; sbom: a bill of materials; lock: the locks anew'

setup: .setup

# These look each time, and do nothing where the locks have not changed.
.PHONY: .setup .setup-test .setup-bench
.setup:
	@PYTHON='$(PYTHON)' TORCH='$(TORCH)' sh tools/setup.sh $(EXTRAS)

.setup-test: .setup
	@sh tools/setup.sh test

.setup-bench: .setup
	@sh tools/setup.sh bench

# The locks anew, from pyproject.toml: UPGRADE=1 takes the newest versions that fit.
.setup-tools:
	@test -x .venv-tools/bin/cyclonedx-py || { python3 -m venv --clear .venv-tools \
	  && .venv-tools/bin/pip install --quiet --require-hashes -r requirements/tools.lock; }

lock: .setup-tools
	.venv-tools/bin/python tools/lock.py $(if $(UPGRADE),--upgrade) $(if $(WHEELS),--wheels $(WHEELS))

# What is installed, from the packages' own metadata.
weight licences: .setup
	@$(BIN)/python tools/inventory.py $@

# A bill of materials of .venv in CycloneDX's JSON, for a release.
sbom: .setup .setup-tools
	.venv-tools/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
	  --output-file augqa.cdx.json $(BIN)/python

repro: .setup
	$(BIN)/augqa run

grow: .setup
	$(BIN)/augqa grow

demo: .setup
	$(BIN)/augqa profile embedded
	$(BIN)/augqa run
	@seconds=$$(( $$(date +%s) - $(STARTED) )); \
	  echo "make demo took $$(( seconds / 60 )) min $$(( seconds % 60 )) s with its set-up. The trainings: make ui"

# The tests of a file stay together: what they share, such as a run of the pipeline, is made once.
# In the order of their names, since the file that takes longest has few tests.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .setup
	@$(BIN)/python -m augqa.tracking view
	@echo 'MLflow UI: http://127.0.0.1:5000 (Ctrl-C stops it)'
	$(BIN)/mlflow ui --host 127.0.0.1 --port 5000 \
	  --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"

report: .setup
	$(BIN)/augqa run summarize
	@echo 'report/index.html'

bench: .setup-bench
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/reader.py

# SIGKILL to all processes of a small pipeline, in every stage: docs/promises.md.
KILLS ?= 100
SEED ?= 1
soak: .setup-test
	$(BIN)/python -m tests.soak --kills '$(KILLS)' --seed '$(SEED)'

# Made-up files and answers, so many of each kind: docs/promises.md.
EXAMPLES ?= 10000
fuzz: .setup-test
	$(BIN)/python -m tests.fuzz.qa_files '$(EXAMPLES)'
	$(BIN)/python -m tests.fuzz.llm_files --examples '$(EXAMPLES)'
	$(BIN)/python -m tests.fuzz.outside --examples '$(EXAMPLES)'

# Small changes of the pure modules, to see whether the tests notice: docs/promises.md.
MUTANTS ?= 150
mutants: .setup-test
	$(BIN)/python tools/mutants.py --n '$(MUTANTS)' --seed '$(SEED)'

data: .setup
	$(BIN)/augqa data '$(FROM)'

# The tables in docs/ that repeat code, anew.
docs: .setup
	$(BIN)/augqa docs

profile: .setup
	$(BIN)/augqa profile '$(NAME)'

results: .setup
	$(BIN)/augqa results '$(NAME)'

clean:
	rm -rf $(VENV) .setup.log .pytest_cache .mypy_cache .ruff_cache
