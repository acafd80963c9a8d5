# Two commands: `make run` serves the dashboard, `make test` proves it. Both build .venv from the pinned requirements when they change.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint clean

run: .venv/ready
	$(BIN)/python app.py

test: .venv/ready-dev lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not browser"
	$(BIN)/python -m pytest -m browser

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/ready-dev: requirements.txt requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	sh tests/install-browser.sh $(BIN)/python
	touch $@

clean:
	rm -rf .venv
