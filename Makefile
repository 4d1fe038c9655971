# Each target sets up what it needs: `make quickstart` and `make test` work as the first command on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH := torch==2.13.0
# Threads of torch that wait sleep: on a machine that is busy with other things spinning takes three times as long.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help quickstart test test-long test-faults test-fuzz test-serving test-families lint bench bench-serving bench-vision bench-quantizers bench-busy
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 18

quickstart: $(READY)  ## quantize, compile for 2 dies and run the small trained model; leaves out/quickstart
	$(BIN)/python scripts/quickstart.py

# pytest-xdist 3.8 may wait for ever after it has replaced a process that ended in a test, so none is replaced.
test: $(READY)  ## run every test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

test-long: $(READY)  ## the cases that `make test` leaves out: every architecture on every number of dies, and such
	$(BIN)/python -m pytest -m long

test-faults: $(READY)  ## kills, injected faults, damage and races by the thousand; FAULTS="kill-compile --tries 50" for a part
	$(BIN)/python -m tests.faults $(FAULTS)

test-fuzz: $(READY)  ## feed every parser inputs that a fuzzer makes; FUZZ="json_reader --seconds 60" for a part
	@$(BIN)/pip install --quiet --editable ".[fuzz]"
	$(BIN)/python -m tests.fuzz $(FUZZ)

test-serving: $(READY)  ## 20,000 requests over one engine, 1,000 left early, and drafts sampled: compared, memory watched; SERVING="--requests 2000"
	$(BIN)/python -m tests.serving $(SERVING)

test-families: $(READY)  ## every model type of transformers, tiny and random, against it; FAMILIES="gpt2 opt --dies 1 3" for some
	$(BIN)/python -m tests.families $(FAMILIES)

lint: $(READY)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## TyLLM beside llama.cpp, OpenVINO GenAI and ONNX Runtime GenAI; BENCH="--only tg@96" for a part
	$(BIN)/python scripts/compare_engines.py $(BENCH)

bench-serving: $(READY)  ## many requests at once beside OpenVINO GenAI, llama.cpp and vLLM; BENCH="--only steps" for a part
	$(BIN)/python scripts/compare_serving.py $(BENCH)

bench-vision: $(READY)  ## vision tower of TyLLM beside OpenVINO, ONNX Runtime and PyTorch; BENCH="--depth 2" for a look
	$(BIN)/python scripts/compare_vision_towers.py $(BENCH)

bench-quantizers: $(READY)  ## our quantizer beside AutoAWQ and llm-compressor; BENCH="--part quality" for a part
	$(BIN)/python scripts/compare_quantizers.py $(BENCH)

bench-busy: $(READY)  ## what a busy core leaves of the speed, 1 and 2 dies; BENCH="PACKAGE" for another model
	$(BIN)/python scripts/busy_core.py $(BENCH)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "TyLLM needs Python 3.11 or newer, and $(PYTHON) is older or absent: make PYTHON=python3.12 ..."; exit 1; }
	@command -v cc gcc clang >/dev/null || \
	  { echo "No C compiler found, and compiling a model needs one: install gcc (Debian: apt-get install gcc libc6-dev)."; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python has no venv module here: install it (Debian: apt-get install python3-venv)."; exit 1; }
	@echo "Installing into $(VENV): torch, TVM, transformers. This takes a few minutes, once."
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/pip install --quiet "$(TORCH)"
	@$(BIN)/pip install --quiet --editable ".[compile,dev]"
	@touch $@
