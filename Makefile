# The one entry to the project: `make` lists the targets, CI calls the same ones.
#
# Every target does its own set-up, in a virtual environment that holds the wheel as a user would
# install it; stamp files skip what is done. Choose with PYTHON=python3.13 VENV=.venv-3.13.

PYTHON ?= python3
VENV ?= .venv
RIVALS ?= loky joblib mpire pebble faster-fifo
PYTEST_ARGS ?=

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help preflight setup demo test test-rust test-python check bench bench-rust deep docs clean

bin := $(VENV)/bin
stamps := $(VENV)/.stamps
# Folders too: their time changes when a file is removed.
sources := $(wildcard Cargo.* pyproject.toml README.md LICENSE-*) $(shell find crates python \
	-name __pycache__ -prune -o -type d -print -o -name '*.rs' -print -o -name '*.py' -print \
	-o -name '*.pyi' -print -o -name '*.toml' -print)
# No test program can be linked from the binding, an extension module: pytest tests it.
crates := --locked --workspace --exclude manyhands-python
export PYO3_PYTHON := $(abspath $(bin)/python)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list the targets
	@echo "usage: make TARGET    (PYTHON=$(PYTHON) VENV=$(VENV))"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

preflight: # names what the machine lacks
	@PYTHON="$(PYTHON)" tools/preflight.sh

$(stamps)/venv: | preflight
	$(PYTHON) -m venv $(VENV)
	$(bin)/pip install --quiet --upgrade 'pip>=25.1'
	@mkdir -p $(stamps) && touch $@

$(stamps)/build $(stamps)/test $(stamps)/check $(stamps)/frames: $(stamps)/%: $(stamps)/venv pyproject.toml
	$(bin)/pip install --quiet --group $*
	@touch $@

$(stamps)/wheel: $(stamps)/build $(sources) | preflight
	@rm -rf $(VENV)/wheel
	$(bin)/maturin build --release --quiet --interpreter $(bin)/python --out $(VENV)/wheel
	$(bin)/pip install --quiet $(VENV)/wheel/*.whl
	$(bin)/pip install --quiet --force-reinstall --no-deps $(VENV)/wheel/*.whl
	@touch $@

setup: $(stamps)/wheel ## build the wheel and install it in the virtual environment

demo: setup ## parse the whole standard library on every core and compare
	$(bin)/python examples/demo.py

test: test-rust test-python ## all tests, the Python ones on the installed wheel

test-rust: preflight
	if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run $(crates); cargo test $(crates) --doc; else cargo test $(crates); fi

test-python: setup $(stamps)/test
	$(bin)/python -P -m pytest -n auto --maxprocesses 4 $(PYTEST_ARGS)

check: setup $(stamps)/check $(stamps)/test ## formatting, lints, types, stubs, rules of the house
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTFLAGS='--cfg loom' cargo check --locked -p manyhands-shm --tests --target-dir target/loom
	RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --workspace --no-deps
	if cargo deny --version >/dev/null 2>&1; then cargo deny check bans licenses sources; fi
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/python -P -m mypy.stubtest manyhands._native
	$(bin)/python tools/check_house.py

bench: setup ## the figures of docs/benchmarks.md, rivals in the same run
	for rival in $(RIVALS); do \
	$(bin)/pip install --quiet "$$rival" || echo "bench: $$rival does not install, left out"; done
	$(bin)/python benches/run.py

bench-rust: preflight ## the figures of docs/benchmarks-rust.md, rivals in the same run
	CARGO_TARGET_DIR=target/benches MANYHANDS_BENCH_MARKDOWN="$(CURDIR)/docs/benchmarks-rust.md" cargo bench --locked --manifest-path benches/rust/Cargo.toml

deep: setup $(stamps)/test $(stamps)/frames ## loom models, kill storms, repetition, load: hours; PARTS="loom load" runs some
	PYTHON="$(bin)/python" tools/deep.sh

docs: preflight ## the Rust documentation, in target/doc
	cargo doc --locked --workspace --no-deps

clean: ## remove everything that was built
	rm -rf target $(VENV)
