# make run    install if needed, then the main job: personas to a before/after report (7 to 13 minutes, offline)
# make test   install if needed, then the tests
# make check  format, lint, types, import contracts, and the tests

# Bytecode is kept, whatever the caller's environment says: a start of `emoreason` takes a second less.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
RECIPE ?= recipes/quickstart.yaml
# EmoBench is examined too when its files are at hand: make run EMOBENCH=DIR (holding EA.jsonl and EU.jsonl)
EMOBENCH ?= $(wildcard ../shared/emobench/data)

.PHONY: run test check lint install format clean bench-skeleton bench-generation bench-teachers bench-curation bench-optimizers bench-finetune bench-exam

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "EmoReason needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

run: install
	$(BIN)/emoreason run $(RECIPE) $(if $(EMOBENCH),--emobench $(EMOBENCH)) $(if $(OUT),--out $(OUT))

# One worker per core, so each computes on one thread, and so do the trainings that it starts.
test: export OMP_NUM_THREADS := 1
test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: lint test

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-skeleton: install
	$(BIN)/python -m benchmarks.skeleton

bench-generation: install
	$(BIN)/python -m benchmarks.generation

bench-teachers: install
	$(BIN)/python -m benchmarks.teachers

bench-curation: install
	$(BIN)/python -m benchmarks.curation

bench-optimizers: install
	$(BIN)/python -m benchmarks.optimizers

bench-finetune: install
	$(BIN)/python -m benchmarks.finetune

bench-exam: install
	$(BIN)/python -m benchmarks.exam

clean:
	rm -rf .venv out
