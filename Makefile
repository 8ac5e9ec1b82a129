# One machine, from nothing: `make run` serves the demo, `make test` runs the tests.
# PORT and S3_PORT move the demo; PYTHON names the interpreter the virtual environments are made of.

PORT    ?= 8000
S3_PORT ?= 9000
PYTHON  ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$python && break; done)

BIN     := .venv/bin
IN_TEST_ENVIRONMENT := $(BIN)/python -m local.test_environment
COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--no-header --no-annotate

# What is installed is told by a file named after the hash of its requirements, so a checkout that
# only touches the times of files installs nothing.
hash = $(firstword $(shell cksum < $(1)))
SERVICE_STAMP := .venv/installed-service-$(call hash,requirements.txt)
DEV_STAMP     := .venv/installed-dev-$(call hash,requirements-dev.txt)
BENCH_STAMP   := .venv/installed-bench-$(call hash,bench/requirements.txt)
S3_STAMP      := .venv-s3/installed-$(call hash,local/requirements-s3.txt)
LOCK_STAMP    := .venv-lock/installed

# The virtual environments are made side by side.
MAKEFLAGS += --jobs=2 --no-print-directory

.PHONY: run test check audit bench lock clean .venv .venv-s3
.DEFAULT_GOAL := run

# The demo: the service, an S3 and a user to sign in as. Ctrl-C stops it; var/ keeps its state.
run: $(SERVICE_STAMP) $(S3_STAMP)
	@exec $(BIN)/python -m local.run --port $(PORT) --s3-port $(S3_PORT)

# Every test this machine can run; the others say what they lack.
test: $(DEV_STAMP) $(S3_STAMP)
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup --cov --cov-report=term --cov-fail-under=90

check: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(IN_TEST_ENVIRONMENT) $(BIN)/mypy .
	$(BIN)/lint-imports
	$(IN_TEST_ENVIRONMENT) $(BIN)/python manage.py makemigrations --check --dry-run

# Whether a locked version has a known vulnerability, and whether all of them fit together.
audit: $(DEV_STAMP)
	$(BIN)/pip check
	$(BIN)/python -m local.audit

# Compares with what others would use, which it installs. BENCH_POSTGRES and REDIS_URL add those;
# ARGS=--docs keeps the results in docs/.
bench: $(BENCH_STAMP)
	$(BIN)/python -m bench $(ARGS)

# Renews the four lock files from pyproject.toml.
lock: $(LOCK_STAMP)
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --extra dev --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --extra bench --constraint requirements-dev.txt \
		--output-file bench/requirements.txt
	$(COMPILE) --group s3 --output-file local/requirements-s3.txt

clean:
	rm -rf .venv .venv-s3 .venv-lock var .coverage .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache

# ---------------------------------------------------------------- virtual environments

.venv: $(SERVICE_STAMP)
.venv-s3: $(S3_STAMP)

$(BIN)/python .venv-s3/bin/python .venv-lock/bin/python: %/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed"; exit 1; }
	$(PYTHON) -m venv $*

$(SERVICE_STAMP): | $(BIN)/python
	$(BIN)/pip install --quiet --requirement requirements.txt
	@rm -f .venv/installed-service-* && touch $@

# After the service's, never beside it: two pips in one environment would trip over each other.
$(DEV_STAMP): $(SERVICE_STAMP)
	$(BIN)/pip install --quiet --requirement requirements-dev.txt
	@rm -f .venv/installed-dev-* && touch $@

$(BENCH_STAMP): $(DEV_STAMP)
	$(BIN)/pip install --quiet --requirement bench/requirements.txt
	@rm -f .venv/installed-bench-* && touch $@

# Apart from the service, because ministack pins botocore.
$(S3_STAMP): | .venv-s3/bin/python
	.venv-s3/bin/pip install --quiet --requirement local/requirements-s3.txt
	@rm -f .venv-s3/installed-* && touch $@

$(LOCK_STAMP): | .venv-lock/bin/python
	.venv-lock/bin/pip install --quiet uv
	@touch $@
