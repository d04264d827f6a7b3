# make sweep    installs greenkd into .venv and runs the demo: four τ, stochastic and fixed τ, five seeds, the report
# make test     installs the development tools as well, lints, type-checks and runs the tests
# make study    runs the sweeps of studies/cpu-2026 whose records are not there yet (hours; goes on where it stopped)
# make study-check  repeats a part of the study: are accuracies and verdicts still within its intervals?
# make format   rewrites the sources the way `make test` wants them
# make clean    removes .venv; results in multirun/ and trained teachers in cache/ stay

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: sweep test study study-check format clean

sweep: $(VENV)/.installed
	$(BIN)/python run.py -m temperature=grid_coarse,stochastic,fixed seed=0,1,2,3,4
	$(BIN)/python -m analysis multirun/default --report --format none

test: $(VENV)/.installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

study: $(VENV)/.installed
	$(BIN)/python -m studies run studies/cpu-2026
	$(BIN)/python -m analysis studies/cpu-2026 --report --format none

study-check: $(VENV)/.installed
	$(BIN)/python -m studies check studies/cpu-2026

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "greenkd needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
