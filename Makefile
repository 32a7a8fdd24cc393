# demo, test, lint: each makes .venv by itself, once.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/python -m serving.demo --output=demo

test: .venv/installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Exact versions that are known to work together; setup.cfg holds the ranges.
.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[test]'
	touch $@

clean:
	rm -rf .venv demo build *.egg-info
