# Everything a checkout needs. Plain `make` lists the targets.
#
# Two environments, each made once and again when its pins change: .venv runs the
# programs, .venv-test runs the checks (it also holds electionguard, whose pins
# must never reach the programs; see docs/interop.md).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
unexport PYTHONPATH

RUN := .venv
TEST := .venv-test
PIP := bin/python -m pip --disable-pip-version-check --quiet

# Variables of `make demo`; each becomes an option of `sailau demo`.
OUT ?=
BALLOTS ?=
SEED ?=
# How long `make fuzz` runs.
FUZZ_SECONDS ?= 60
# Elections that `make kill-ceremony` holds, and rounds of `make kill-board`.
ROUNDS ?= 10
# Processes that run the tests (many of which wait for programs), and further arguments for pytest.
JOBS ?= 3
ARGS ?=

PROTOS := $(sort $(wildcard proto/sailau/v1/*.proto))
SERVICES := $(sort $(shell grep -ls '^service ' $(PROTOS)))

.PHONY: help
help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

.PHONY: demo
demo: $(RUN)/.installed ## Run the demo election (OUT=DIR BALLOTS=N SEED=S)
	@$(RUN)/bin/sailau demo $(if $(OUT),--out "$(OUT)") $(if $(BALLOTS),--ballots "$(BALLOTS)") $(if $(SEED),--seed "$(SEED)")

.PHONY: bench
bench: $(TEST)/.installed ## Measure everything side by side, peers included (4 minutes; ARGS="--quick --json FILE")
	@$(TEST)/bin/python -m benchmarks.report $(ARGS)

.PHONY: bench-exponentiation
bench-exponentiation: $(RUN)/.installed ## Measure the cost of single exponentiations and proofs
	@$(RUN)/bin/python -m benchmarks.exponentiation

.PHONY: bench-trustees
bench-trustees: $(RUN)/.installed ## Measure what a key ceremony and a tally cost a trustee
	@$(RUN)/bin/python -m benchmarks.trustees $(ARGS)

.PHONY: bench-load
bench-load: $(TEST)/.installed ## Measure how many ballots the ballot box takes, also in a flood (ARGS="--flood --json")
	@$(TEST)/bin/python -m benchmarks.load $(ARGS)

.PHONY: install
install: $(RUN)/.installed ## Install the programs into .venv

.PHONY: test check
test: format-check lint types imports proto-check buf pytest ## Run everything that CI runs (JOBS=N ARGS=...)
check: test ## The same

.PHONY: format-check
format-check: $(TEST)/.installed ## Check the format of the code (ruff)
	$(TEST)/bin/ruff format --check .

.PHONY: lint
lint: $(TEST)/.installed ## Lint (ruff)
	$(TEST)/bin/ruff check .

.PHONY: types
types: $(TEST)/.installed ## Check the types (mypy)
	$(TEST)/bin/mypy

.PHONY: imports
imports: $(TEST)/.installed ## Check which room imports which (import-linter)
	$(TEST)/bin/lint-imports --no-logo

# $(call generate,DIR): the code of all .proto files, below DIR (an absolute path).
generate = cd proto && ../$(TEST)/bin/python -m grpc_tools.protoc -I . \
	--python_out="$(1)" --pyi_out="$(1)" $(PROTOS:proto/%=%) \
	$(if $(SERVICES),&& ../$(TEST)/bin/python -m grpc_tools.protoc -I . \
	--grpc_python_out="$(1)" $(SERVICES:proto/%=%))

.PHONY: proto-check
proto-check: $(TEST)/.installed ## Check that the generated protobuf code equals its source
	@echo "comparing the generated code with proto/"; \
	fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	($(call generate,$$fresh)); \
	diff -r --exclude='*.proto' --exclude=__init__.py --exclude=__pycache__ "$$fresh/sailau" proto/sailau \
		|| { echo "generated code is out of date: run 'make proto'" >&2; exit 1; }

.PHONY: buf
buf: $(TEST)/.installed ## Lint the .proto files and check their format (buf)
	$(TEST)/bin/buf lint
	$(TEST)/bin/buf format --diff --exit-code

.PHONY: pytest
pytest: $(TEST)/.installed ## Run the tests (JOBS=N ARGS=...)
	$(TEST)/bin/pytest -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: test-slow
test-slow: $(TEST)/.installed ## Run the tests that `make test` leaves out because they take long
	$(TEST)/bin/pytest -n $(JOBS) -m slow $(ARGS)

.PHONY: foreign
foreign: $(TEST)/.installed ## Have other people's programs read our log (needs Go; says what to install)
	@{ command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; } \
		|| echo "Go's sumdb packages are missing. On Debian: apt install golang-go golang-golang-x-mod-dev" >&2
	@command -v npm >/dev/null || echo "npm is missing. On Debian: apt install npm" >&2
	@$(TEST)/$(PIP) install --upgrade --target $(TEST)/foreign/python pymerkle==7.0.0 cachetools==7.2.1
	@! command -v npm >/dev/null \
		|| npm install --silent --no-audit --no-fund --prefix $(TEST)/foreign/node @sigstore/verify@4.1.3
	$(TEST)/bin/pytest -n 0 tests/foreign $(ARGS)

.PHONY: kill-ceremony
kill-ceremony: $(TEST)/.installed ## Hold elections whose programs are killed at random (ROUNDS=N SEED=S)
	@$(TEST)/bin/python -m tests.killing --rounds $(ROUNDS) $(if $(SEED),--seed "$(SEED)")

.PHONY: kill-board
kill-board: $(TEST)/.installed ## Kill server, devices, witness and mirror of a live board (ROUNDS=N SEED=S)
	@$(TEST)/bin/python -m tests.killing_board --rounds $(ROUNDS) $(if $(SEED),--seed "$(SEED)")

.PHONY: fuzz
fuzz: $(TEST)/.installed ## Mutate records at random and watch the verifier (FUZZ_SECONDS=N SEED=S)
	@$(TEST)/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(if $(SEED),--seed "$(SEED)")

.PHONY: format
format: $(TEST)/.installed ## Format the code and the .proto files
	$(TEST)/bin/ruff format .
	$(TEST)/bin/ruff check --fix --exit-zero .
	$(TEST)/bin/buf format --write

.PHONY: proto
proto: $(TEST)/.installed ## Regenerate the protobuf code
	rm -f proto/sailau/v1/*_pb2.py proto/sailau/v1/*_pb2.pyi proto/sailau/v1/*_pb2_grpc.py
	$(call generate,$(CURDIR)/proto)

.PHONY: clean
clean: ## Remove the environments and every cache
	rm -rf $(RUN) $(TEST) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Environments: a stamp says that a step was completed --------------------------

$(RUN)/.made $(TEST)/.made: scripts/make-venv
	scripts/make-venv $(@D)
	@touch $@

$(RUN)/.installed: pyproject.toml constraints.txt $(RUN)/.made
	@echo "installing pinned packages into $(@D)"
	@$(@D)/$(PIP) install --constraint constraints.txt --editable .
	@touch $@

# electionguard needs a compiler where nobody publishes its parts for a new Python.
# Its tests are then skipped, and say so; on Python 3.11 it has to be there.
$(TEST)/.installed: pyproject.toml constraints.txt constraints-interop.txt $(TEST)/.made
	@echo "installing pinned packages into $(@D)"
	@$(@D)/$(PIP) install --constraint constraints.txt --editable '.[test]'
	@$(@D)/$(PIP) install --prefer-binary --constraint constraints.txt \
		--constraint constraints-interop.txt --editable '.[interop]' \
		|| { $(@D)/bin/python -c 'import sys; sys.exit(sys.version_info[:2] == (3, 11))' \
		&& echo "electionguard could not be installed here: tests/interop will be skipped" >&2; }
	@touch $@
