# make answer | test | lint | bench | soak | venv: each creates .venv when it is missing.
# PYTHON picks the interpreter (3.11 or newer) of a new .venv.
PYTHON ?= python3
BIN := .venv/bin
ANSWER_FLAGS ?= --preset=quick --workdir=results/answer
BENCH_FLAGS ?= --preset=quick
SOAK_FLAGS ?= --cycles=200

.PHONY: answer test lint bench soak venv clean

answer: .venv/ready
	$(BIN)/python -m experiments.answer $(ANSWER_FLAGS)

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist=worksteal $(TEST_FLAGS)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m experiments.benchmark $(BENCH_FLAGS)

soak: .venv/ready
	$(BIN)/python -m tests.soak $(SOAK_FLAGS)

venv: .venv/ready

# The pins are for Python 3.11; other Pythons install from the lower bounds.
.venv/ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; \
	then $(BIN)/pip install -q -c constraints.txt -e '.[all]'; \
	else $(BIN)/pip install -q -e '.[all]'; fi
	touch $@

clean:
	rm -rf .venv results
