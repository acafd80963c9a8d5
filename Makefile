# `make run` serves the dashboard, `make test` proves it, `make gpu` measures what only a GPU can show,
# `make soak` attacks a public page for a long time. All build .venv when requirements change.
PYTHON ?= python3
BIN := .venv/bin
INSTALLING := Installing the requirements into .venv. The first time, this takes two minutes or more and up to 6 GB of disk, most of it for PyTorch.

# Tests start hundreds of processes, each of which would compile the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test gpu soak lint clean

run: .venv/ready
	$(BIN)/python app.py

# The second part is given its files: importing all the others takes longer than a test.
test: .venv/ready-dev lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not browser and not alone"
	$(BIN)/python -m pytest -m "browser or alone" $$(grep -rlE "mark\.(browser|alone)" tests --include="*.py" | sort)

gpu: .venv/ready-dev
	$(BIN)/python -m benchmarks.gpu

# On the loopback address only. It ends by itself: each part has a number of attacks and a limit of seconds.
soak: .venv/ready-dev
	SOAK=1 $(BIN)/python -m pytest tests/hostile --timeout 3600 -rP; attacked=$$?; \
	$(BIN)/python -m benchmarks.visitors --visitors 50 --seconds 900 && exit $$attacked

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
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
