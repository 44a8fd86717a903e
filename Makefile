# natfix: run `make` to see what there is to make.

PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
ANSIBLE_VENV := .venv-ansible
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet

# The suites that need no root and no machine; the pure packages are covered by them, whole.
FAST := $(wildcard tests/unit tests/property tests/rules)
# All the others, and the files beside them.
SLOW := $(filter-out $(addsuffix /,$(FAST)) tests/__pycache__/,$(wildcard tests/*/ tests/test_*.py))
# Those in which programs write rulesets that are worth keeping.
DUMPING := tests/kernel/test_cni.py tests/kernel/test_libvirt.py tests/machine/test_docker_shapes.py tests/machine/test_podman.py \
	tests/machine/test_firewalld.py

.DEFAULT_GOAL := help
# The steps of a target are meant to run in their order, also under -j.
.NOTPARALLEL:
.PHONY: help demo test test-fast test-unit test-machine fuzz-kernel dumps lint fmt site bench clean debian

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: debian $(VENV)/stamp ## See it happen: two hosts, the wrong address, the fix (root; a minute)
	$(BIN)/natfix lab --backend nft
	$(BIN)/natfix lab --backend legacy
	$(BIN)/natfix lab --docker

test: debian lint test-unit test-machine ## Everything: lint, all tests, the coverage gate (root for the kernel tests)

test-fast: test-unit ## Tests that need no root, with the coverage gate (seconds)

test-unit: $(VENV)/stamp
	$(BIN)/coverage run -m pytest $(FAST)
	$(BIN)/coverage report

test-machine: $(VENV)/stamp $(ANSIBLE_VENV)/stamp
	$(BIN)/python -m pytest $(SLOW)

fuzz-kernel: debian $(VENV)/stamp ## Ask the kernel about 10,000 packets in random rulesets (root; minutes)
	NATFIX_FUZZ_TABLES=420 NATFIX_FUZZ_SEED=$${SEED:-1000} $(BIN)/python -m pytest --timeout 3600 tests/kernel/test_walk_agrees.py tests/kernel/test_nft_agrees.py \
		tests/kernel/test_way_agrees.py tests/kernel/test_check_agrees.py

dumps: debian $(VENV)/stamp ## Let real programs write tests/data/*/real-* anew (root; minutes)
	NATFIX_KEEP_DUMPS=1 $(BIN)/python -m pytest $(DUMPING)

lint: $(VENV)/stamp ## Style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/stamp ## Format the code and repair what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

site: $(VENV)/stamp ## The documents as a site, in build/site
	$(BIN)/zensical build --strict

bench: $(VENV)/stamp $(BENCH_VENV)/stamp $(ANSIBLE_VENV)/stamp ## Measure natfix beside other programs, as ratios
	@set -e; for script in bench/bench_*.py; do \
		echo "== $$script"; BENCH_PYTHON=$(BENCH_VENV)/bin/python $(BIN)/python "$$script"; done

clean: ## Remove what make made
	rm -rf $(VENV) $(BENCH_VENV) $(ANSIBLE_VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf .cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

debian:
	@tools/install-debian.sh

# The stamp is older than a pin or the metadata only after a change, so the second time costs nothing. The order counts:
# what is published as source alone is compiled with pinned tools, as nothing is fetched without a hash.
$(VENV)/stamp: requirements/build.txt requirements/dev.txt pyproject.toml
	@tools/install-debian.sh
	@tools/make-venv.sh $(VENV) "$(PYTHON)"
	$(BIN)/python $(PIP) install --require-hashes -r requirements/build.txt
	$(BIN)/python $(PIP) install --require-hashes --no-build-isolation -r requirements/dev.txt
	$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(BENCH_VENV)/stamp: requirements/bench-build.txt requirements/bench.txt
	@tools/make-venv.sh $(BENCH_VENV) "$(PYTHON)"
	$(BENCH_VENV)/bin/python $(PIP) install --require-hashes -r requirements/bench-build.txt
	$(BENCH_VENV)/bin/python $(PIP) install --require-hashes --no-build-isolation -r requirements/bench.txt
	@touch $@

# Ansible, with which the collection in ansible/ is tried; nothing of it is compiled.
$(ANSIBLE_VENV)/stamp: requirements/ansible.txt
	@tools/make-venv.sh $(ANSIBLE_VENV) "$(PYTHON)"
	$(ANSIBLE_VENV)/bin/python $(PIP) install --require-hashes --only-binary :all: -r requirements/ansible.txt
	@touch $@
