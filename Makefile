# The commands a person types. `make` alone prints them.
PYTHON ?= python3
UV := .uv/bin/uv
COMPONENTS := $(wildcard components/*/src components/*/tests)
CHECKED := components pipelines examples tests benchmarks

export UV_PYTHON_PREFERENCE ?= only-system
export UV_PYTHON_DOWNLOADS ?= never

.DEFAULT_GOAL := help
.PHONY: help install run check format test bench bench-scale docs clean

help: ## print these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed ## install everything into this checkout (.uv and .venv, nothing outside)

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv==0.13.9

.venv/.installed: .uv/bin/uv uv.lock pyproject.toml $(wildcard */pyproject.toml */*/pyproject.toml)
	$(UV) sync --locked
	@touch $@

run: install ## the demo: crawl, curate, crop, train, convert, compile and publish on this machine
	.venv/bin/coralline demo

check: install ## types (mypy strict), style (ruff) and imports (import-linter)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: install ## let ruff put imports and layout in order
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

test: check ## the checks, then every test
	.venv/bin/pytest

bench: install ## measure against peers; prints ratios (about 4 minutes, longer the first time)
	.venv/bin/python -m benchmarks

bench-scale: install ## measure stores of up to 1,000,000 images; fails where a bound is missed (about 6 minutes)
	.venv/bin/python -m benchmarks.scale

docs: install ## write docs/project-file.md from the steps' settings
	.venv/bin/python -m coralline.reference > docs/project-file.md

clean: ## remove what `make install` and the checks wrote; runs and stores stay
	rm -rf .uv .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
