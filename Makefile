# demo, serve, test, lint: each makes .venv by itself, once.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo serve test lint clean

demo: .venv/installed
	$(BIN)/python -m serving.demo --output=demo

# Every model, on this machine only: gRPC at port 8500, REST at 8501; Ctrl-C ends it.
serve: .venv/installed
	$(BIN)/python -m serving.configure --output=build/serve/models.config
	$(BIN)/python -m serving.server --model_config_file=build/serve/models.config \
		--port=8500 --rest_api_port=8501

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
