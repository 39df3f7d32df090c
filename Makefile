# What can be asked for; `make help` lists it. Every target is a thin call into .venv/, which
# tools/setup.sh makes first and keeps up to date.

CONFIG = configs/digits.yaml
RUNS = runs
SET =
TESTS = tests
UPGRADE =
SERVE =
ONLY =
IMAGE = graft:latest
ACCELERATOR = cpu

bin := .venv/bin
# One word for the shell, whatever is in it.
quote = '$(subst ','\'',$(1))'
# A file's tests stay together, since they share what is dear to make.
parallel = -n auto --maxprocesses 4 --dist loadfile
sets = $(foreach pair,$(SET),--set $(call quote,$(pair)))

.DEFAULT_GOAL := help
.PHONY: help setup modules samples run-local test test-flink verify lint docs bench comparison screenshots image requirements clean

help:  ## This list
	@echo 'make TARGET [NAME=value ...]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2} \
	    /^#: / {printf "  %-14s %s\n", "", substr($$0, 4)}' $(firstword $(MAKEFILE_LIST))

run-local: setup modules  ## Run the whole pipeline on this machine
#: CONFIG=configs/digits.yaml  RUNS=runs  SET="train.max_epochs=1 data.source=/my/images"
	@$(bin)/python -m pipeline run $(call quote,$(CONFIG)) --runs $(call quote,$(RUNS)) $(sets)

test: setup modules  ## The quick tests
#: TESTS=tests/components/backbone for a part of them
	@$(bin)/python -m pytest $(parallel) $(TESTS)

test-flink: setup modules  ## The whole pipeline with Apache Flink doing Beam's work (needs Java and Maven)
	@sh tools/flink.sh $(bin)/python -m pytest -m flink tests/beam

verify: lint  ## Everything: lint and all tests, the slow ones too
	@$(MAKE) --no-print-directory setup modules
	@$(bin)/python -m pytest -m 'not flink' --hypothesis-profile=default $(TESTS)

lint: setup  ## ruff and mypy
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy

docs: setup  ## Build the guides as a site, build/docs/index.html, every link checked
#: SERVE=1 to see them at http://127.0.0.1:8000 while you write
	@NO_MKDOCS_2_WARNING=1 $(bin)/python -m mkdocs $(if $(SERVE),serve,build --strict)

setup:  ## Make or update .venv, which every target does by itself
#: PYTHON=/path/to/python  TFX=1.16 or 1.21, to choose other than the machine suggests
	@sh tools/setup.sh

modules: setup  ## Build the default backbone in modules/, where it is missing or out of date
	@TF_CPP_MIN_LOG_LEVEL=3 $(bin)/python -W ignore -m components.backbone.lite0 --quiet modules

samples: setup  ## Install the photographs of solar cells for configs/solar_cells.yaml
	@echo 'elpv-dataset: 2,624 photographs, 91 MB, licence CC BY-NC-SA 4.0: not for commercial use.'
	@$$(sh tools/uv.sh $(bin)/python) pip install --quiet --python .venv --require-hashes --no-deps \
	    -r requirements/samples.txt

bench: setup modules  ## Measure speed, memory and accuracy into benchmarks/results.json; hours
#: ONLY="data_path memory" for some of it; those on solar cells need `make samples`
	@$$(sh tools/uv.sh $(bin)/python) pip install --quiet --python .venv --require-hashes --no-deps \
	    -r requirements/bench.txt
	@$(bin)/python -m benchmarks $(ONLY)

comparison: setup modules samples  ## Run other ways to the same model, for docs/comparison.md
	@PYTHONPATH=. $(bin)/python docs/comparison/compare.py

screenshots: setup modules  ## Take the pictures of README and guides anew (needs Chromium)
#: RUNS=runs, with two runs of digits
	@PYTHONPATH=. $(bin)/python docs/images/draw_contact_sheets.py
	@PYTHONPATH=. $(bin)/python docs/images/take_screenshots.py $(call quote,$(RUNS))

image:  ## Build the container image (needs docker, podman or buildah)
#: IMAGE=graft:latest  ACCELERATOR=cpu or gpu
	@sh tools/image.sh $(call quote,$(IMAGE)) $(call quote,$(ACCELERATOR))

requirements: setup  ## Compile requirements/*.in into the hashed files
#: UPGRADE=1 to move every pin to the newest that fits
	@sh tools/requirements.sh "$$(sh tools/uv.sh $(bin)/python)" $(if $(UPGRADE),--upgrade)

clean:  ## Remove caches and build leftovers; .venv, modules and runs stay
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find components pipeline tests -name __pycache__ -prune -exec rm -rf {} +
