# Every target makes .venv when it is not there, and nothing outside this folder.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
# Modules are compiled when they are first imported, which most of what is installed never is: half the time of an install.
INSTALL := $(RUN)/python -m pip install --quiet --no-compile

.PHONY: demo test lowest check docs results clean

demo: $(VENV)/demo  ## Figure 1, Table 3 and a report of the adapters that come with the package
	$(RUN)/lora-lens demo --out lora-lens-demo

# A process a core, of one thread each: files of tests are what is shared out, as their fixtures are slow, in the order of
# tests/conftest.py, the longest first. The threads of the few that have two sleep while they wait: the other core has tests too.
test lowest: export OMP_WAIT_POLICY ?= PASSIVE
test: export OMP_NUM_THREADS ?= 1
test: $(VENV)/dev  ## the tests and doctests
	$(RUN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Of what is asked for directly; what these bring is today's, and warns of their age: such warnings are no errors here.
LOWEST := .venv-lowest
TESTS ?= tests lora_lens
lowest: export OMP_NUM_THREADS ?= 1
lowest:  ## the tests with the lowest versions that pyproject.toml allows, in an environment of their own
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[dev]'
	$(LOWEST)/bin/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(TESTS) \
	  -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning -W ignore::FutureWarning

check: $(VENV)/dev  ## linter, formatter, types and layering
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

docs: $(VENV)/docs  ## the pages, in docs/_build/html; warnings are errors, notebooks are executed
	rm -rf docs/_build
	$(RUN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet -d docs/_build/doctrees docs docs/_build/html

results: $(VENV)/dev  ## every table and sentence of docs/results again, from the records beside them
	$(RUN)/lora-lens reproduce minilm --out docs/results/minilm --print >/dev/null
	$(RUN)/lora-lens reproduce mpnet --out docs/results/mpnet --print >/dev/null
	$(RUN)/lora-lens reproduce adalora --out docs/results/adalora --print >/dev/null

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lora-lens needs Python 3.11 or newer; say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --editable '.[demo]'
	touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --editable '.[dev]'
	touch $(VENV)/demo $@

$(VENV)/docs: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --editable '.[docs]'
	touch $(VENV)/demo $@

# For who wants both, as the gate does: versions are looked for once.
$(VENV)/both: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --editable '.[dev,docs]'
	touch $(VENV)/demo $(VENV)/dev $(VENV)/docs $@

clean:
	rm -rf $(VENV) $(LOWEST) lora-lens-demo docs/_build
