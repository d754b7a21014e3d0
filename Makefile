# Two commands do everything on a fresh machine with Python 3.11 or newer:
#   make demo     a video, on the embedded stack
#   make test     the tests of the product; `make test-all` runs the rest of them
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Many short processes are started: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench up lock docs record-history clean

help:            ## say what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(STAMP): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(f"Longtake needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}. Say PYTHON=python3.12, for example." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@touch $(STAMP)

demo: $(STAMP)   ## make a video on the embedded stack: make demo ARGS="--clips 3 --faults"
	@$(BIN)/python starter.py demo $(ARGS)

up: $(STAMP)     ## the embedded stack in the foreground
	@$(BIN)/python starter.py up $(ARGS)

test: $(STAMP)   ## format, lint, types, the tests of the product
	@$(BIN)/poe test $(ARGS)

test-all: $(STAMP)  ## what `make test` leaves out: simulators, small benchmarks, rehearsals, slow sweeps
	@$(BIN)/poe test-all $(ARGS)

check: $(STAMP)  ## format, lint, types, house rules
	@$(BIN)/poe check

bench: $(STAMP)  ## one figure: make bench NAME=resume ARGS="--rounds 3"
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

docs: $(STAMP)   ## write the generated parts of the docs anew
	@$(BIN)/poe docs

record-history: $(STAMP)  ## record the replay histories and fingerprints anew
	@$(BIN)/poe record-history

lock: $(STAMP)   ## resolve the dependencies anew
	@$(BIN)/poe lock

clean:           ## remove the environment and the default data directory
	rm -rf $(VENV) data
