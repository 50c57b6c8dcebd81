# Two commands a newcomer needs: make demo, make test. Both build .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two processes take the tests file by file; threads of NumPy's products would only be in the way.
# Those of our kernels are tested.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MINILSTM_NUM_THREADS=2 $(BIN)/python -m pytest -q

.PHONY: demo test docs lint campaign gpu clean

demo: $(VENV)/demo.installed
	@$(BIN)/minilstm demo

test: $(VENV)/test.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) $(SIDE_BY_SIDE) -m "not alone"
	$(PYTEST) -m alone tests

# The documentation site, its lessons run and its warnings errors: docs/_build/html/index.html.
docs: $(VENV)/docs.installed
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html

lint: $(VENV)/test.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

# Whole campaigns, of which the tests run a tenth; then changes of the code, which tests must catch.
campaign: $(VENV)/test.installed
	MINILSTM_CAMPAIGN=whole $(PYTEST) -m campaign
	cd tests && OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ../$(BIN)/python -m mutation.campaign

# What only a GPU can say, in at most 10 minutes and one file; CUDA=12 or 13 installs CuPy first.
gpu: $(VENV)/test.installed
	$(if $(CUDA),$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cuda$(CUDA)]')
	$(BIN)/python .ci/gpu.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fast,plot]'
	touch $@

$(VENV)/docs.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@ $(VENV)/demo.installed

$(VENV)/test.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,test]'
	touch $@ $(VENV)/docs.installed $(VENV)/demo.installed

clean:
	rm -rf $(VENV) build dist minilstm-demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
