# make answer | test | test_all | docs | fuzz | soak | lint | bench | nights | venv
# Each creates .venv if it is missing.
# PYTHON picks the interpreter (3.11 or newer) of a new .venv.
PYTHON ?= python3
BIN := .venv/bin
# By a path: found from the folder above as well, where the checkout's name is in the way.
EDITABLE := --config-settings editable_mode=compat
ANSWER_FLAGS ?= --preset=quick --workdir=results/answer
BENCH_FLAGS ?= --preset=quick
SOAK_FLAGS ?=

.PHONY: answer test test_all docs fuzz soak lint bench nights venv clean

answer: .venv/ready
	$(BIN)/python -m experiments.answer $(ANSWER_FLAGS)

# All but the slow ones, which add cases and no new kind of case, and what `make docs`
# runs; `make test_all` has them all.
test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist=worksteal -m 'not slow and not docs' $(TEST_FLAGS)

test_all: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist=worksteal $(TEST_FLAGS)

# The laws of lengths and chunks on 500 examples each, where `make test` takes 40.
fuzz: .venv/ready
	FUZZ_EXAMPLES=500 $(BIN)/python -m pytest tests/library/ordinary/test_fuzz.py

# Notebooks and recipes run, then the site, into docs/_build/html/index.html.
docs: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist=worksteal -m docs
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m experiments.benchmark $(BENCH_FLAGS)

# Kills, signals, full disks, damage, races and corruptions; `python -m tests.soak -h`.
soak: .venv/ready
	$(BIN)/python -m tests.soak $(SOAK_FLAGS)
	$(BIN)/python -m tests.many_models
	SAME_NUMBERS=1 $(BIN)/python -m pytest tests/library/training/test_same_numbers.py

# Every full preset, the most telling first, into experiments/results/full: some nights.
# Stopped and started again it goes on. `resources` and `truncated_bptt` take times.
NIGHTS := drift_map law recurrent_law real_data real_law core_claim \
	length_generalisation position_generalisation over_fitting gap_decomposition \
	cell_state spectrum universality translation temporal_structure cell_comparison \
	identities truncated_bptt resources depth

nights: .venv/ready
	set -e; for name in $(NIGHTS); do \
	  $(BIN)/python -m experiments.$$name --preset=full --workdir=experiments/results; \
	done
	$(BIN)/python -m experiments.answer --collect --preset=quick --workdir=experiments/results

venv: .venv/ready

# The pins are for Python 3.11; other Pythons install from the lower bounds.
.venv/ready: setup.cfg pyproject.toml constraints.txt
	@echo 'Installing rnnshare and its extras into .venv (about two minutes)...'
	$(PYTHON) -m venv .venv
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; \
	then $(BIN)/pip install -q --no-compile -c constraints.txt $(EDITABLE) -e '.[all]'; \
	else $(BIN)/pip install -q --no-compile $(EDITABLE) -e '.[all]'; fi
	touch $@

clean:
	rm -rf .venv results
