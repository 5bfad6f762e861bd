# Everything sets up its own .venv; it takes Python 3.11 or newer, make and a network.
#
#   make demo                    draw a large scene, find the airplanes and cars in it
#   make demo SOURCE=my.tif      find them in your own picture
#   make test | lint             what every change must pass
#   make parity                  comparisons with peers' own implementations, in .venv-parity;
#                                their errors go to runs/parity.json
#   make bench                   timings
#   make docs                    the site, into site/
#   make constraints             pin the newest versions that resolve
#
# PYTHON=python3.12 chooses the interpreter. UV_TORCH_BACKEND=cpu in the environment makes uv
# install the torch build without CUDA.

VENV := .venv
BIN := $(VENV)/bin
OUT := demo
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
INSTALL := $(BIN)/uv pip install --python $(BIN)/python --constraints constraints.txt
PARITY := .venv-parity

# Those that need no peer; each says in its first lines what it takes. accuracy.against_yolo26n needs
# one, and accuracy.changes and accuracy.families train for hours.
BENCHMARKS := accuracy.embedded accuracy.tiles_against_whole accuracy.positives speed.merge \
	speed.oriented speed.throughput speed.memory speed.training accuracy.partial_labels \
	accuracy.box_voting

.DEFAULT_GOAL := demo
.PHONY: demo test lint parity bench docs constraints clean

demo: $(VENV)/.run
	$(BIN)/smalldet demo --out '$(OUT)' $(if $(SOURCE),--source '$(SOURCE)')

test: $(VENV)/.dev
	$(BIN)/pytest --numprocesses auto

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports

parity: $(PARITY)/.parity
	$(PARITY)/bin/pytest -m 'parity or reference or slow' -rs --numprocesses auto \
		--parity-report=runs/parity.json

bench: $(VENV)/.run
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done

# Refuses links to nowhere, and a site that would load a part of itself from elsewhere.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python docs/site/check.py site

constraints: $(VENV)/.dev
	$(BIN)/uv pip compile pyproject.toml --group dev --group docs --all-extras --universal \
		--python-version 3.11 --no-header --no-annotate --upgrade --quiet \
		--output-file constraints.txt
	cp constraints.txt constraints-parity.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --group docs --group parity --all-extras \
		--universal --python-version 3.11 --no-header --no-annotate --quiet \
		--output-file constraints-parity.txt

clean:
	rm -rf $(VENV) $(PARITY) '$(OUT)' site .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# Stamps: what is installed stays until the packages asked for change.
$(VENV)/.uv:
	@test -n '$(PYTHON)' || { echo 'smalldet needs Python 3.11 or newer: make PYTHON=...'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	touch $@

$(VENV)/.run: $(VENV)/.uv pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.uv pyproject.toml constraints.txt
	$(INSTALL) --editable . --group dev
	touch $@ $(VENV)/.run

$(VENV)/.docs: $(VENV)/.uv pyproject.toml constraints.txt
	$(INSTALL) --editable . --group docs
	touch $@ $(VENV)/.run

# Peers pin older versions of what smalldet takes too: they get an environment of their own.
$(PARITY)/.parity: $(VENV)/.uv pyproject.toml constraints-parity.txt
	test -x $(PARITY)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(PARITY)
	$(BIN)/uv pip install --python $(PARITY)/bin/python --constraints constraints-parity.txt \
		--editable . --group dev --group parity
	touch $@
