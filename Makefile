# `make run` serves the dashboard, `make test` proves it, `make gpu` measures what only a GPU can show,
# `make soak` attacks a public page for a long time. All build .venv when requirements change.
PYTHON ?= python3
BIN := .venv/bin
INSTALLING := Installing the requirements into .venv. The first time, this takes two minutes or more and up to 6 GB of disk, most of it for PyTorch.

# Tests start hundreds of processes, each of which would compile the sources anew.
unexport PYTHONDONTWRITEBYTECODE

marked = $$(grep -rlE "mark\.$(1)" tests --include="*.py" | sort)

.PHONY: run test types style units pages alone gpu soak lint clean

run: .venv/ready
	$(BIN)/python app.py

# Types are checked beside the first tests; an error in either ends `make test`, once both are over.
test: .venv/ready-dev style
	$(MAKE) --jobs 2 types units
	$(MAKE) pages
	$(MAKE) alone

units: .venv/ready-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not browser and not alone"

# This part and the next are given their files: importing all the others takes longer than a test.
pages: .venv/ready-dev
	$(BIN)/python -m pytest -m "browser and not alone" $(call marked,browser)

alone: .venv/ready-dev
	$(BIN)/python -m pytest -m alone $(call marked,alone)

gpu: .venv/ready-dev
	$(BIN)/python -m benchmarks.gpu

# On the loopback address only. It ends by itself: each part has a number of attacks and a limit of seconds.
soak: .venv/ready-dev
	SOAK=1 $(BIN)/python -m pytest tests/hostile --timeout 3600 -rP; attacked=$$?; \
	$(BIN)/python -m benchmarks.visitors --visitors 50 --seconds 900 && exit $$attacked

lint: style types

style: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready-dev
	$(BIN)/pyright --pythonpath $(BIN)/python

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: requirements.txt | .venv/bin/python
	@echo "$(INSTALLING)"
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

.venv/ready-dev: requirements.txt requirements-dev.txt | .venv/bin/python
	@echo "$(INSTALLING)"
	$(BIN)/python -m pip install -r requirements-dev.txt
	sh tests/install-browser.sh $(BIN)/python
	touch $@

clean:
	rm -rf .venv
