# From a fresh checkout: `make demo` and `make test`. Everything else is for those who stay.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
READY := .venv/.ready

SEEDS ?= 500
FROM ?= 1
WORKERS ?=
CYCLES ?= 50
FUZZ ?= 100000

# What is started often is compiled once, as an installed program is.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test proof test-containers lint bench simulate fuzz chaos golden clean
.DEFAULT_GOAL := demo

$(READY): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later is installed: install one, or name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	$(BIN)/oms demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs -m "not proof"

proof: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs -m proof

test-containers: $(READY)
	tests/store/containers/run.sh $(BIN)/python -m pytest tests/store --ignore tests/store/test_disk_full.py \
		-o python_files='test_*.py failover.py'

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/oms bench

simulate: $(READY)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --from $(FROM) $(if $(WORKERS),--workers $(WORKERS))

fuzz: $(READY)
	FUZZ=$(FUZZ) $(BIN)/python -m pytest tests/fuzz --timeout 3600

chaos: $(READY)
	$(BIN)/python -m tests.chaos.run --cycles $(CYCLES) --seed $(FROM)

golden: $(READY)
	$(BIN)/python -m tests.golden

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
