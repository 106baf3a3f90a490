"""Judge model `vllm:<checkpoint>`: vLLM in this process, all requests in one offline batch.

    load_judge_model("vllm:Qwen/Qwen2.5-7B-Instruct", max_model_len=8192, quantization="fp8")

The engine starts at the first request, after the evaluated checkpoint's engine is gone; `close()` ends its processes.
Answers come as they finish. A request that vLLM refuses fails alone; a batch that takes the engine down is tried again
in smaller batches on a fresh engine, until the request that does it is alone.

Log-probabilities are vLLM's raw ones. Under `choices` or `pattern` they are shared among the tokens that the constraint
allows. A constraint that vLLM cannot compile is left out: it is a hint.
"""

import gc
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.judge_model import ChatRequest, Completion
from em_bench.text import message_line
from em_bench_judges.models.chat_tokenizer import ChatTokenizer
from em_bench_judges.models.local import identity, require, require_folder

# Options passed on to vLLM's EngineArgs: those that decide answers, and those that only decide speed and memory.
DECIDING_ARGS = frozenset({
    "hf_overrides", "kv_cache_dtype", "quantization", "reasoning_parser", "revision", "tokenizer", "tokenizer_mode",
    "tokenizer_revision", "trust_remote_code",
})  # fmt: skip
SPEED_ARGS = frozenset({
    "cpu_offload_gb", "distributed_executor_backend", "download_dir", "enable_prefix_caching", "kv_cache_memory_bytes",
    "load_format", "max_num_batched_tokens", "max_num_seqs", "pipeline_parallel_size",
})  # fmt: skip
CHUNK = 4096  # requests that the engine holds at once
SPLIT = 8  # a batch that took the engine down is tried again in so many parts
MAX_CRASHES = 10  # of one call; each costs the start of an engine
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
CPU_KV_CACHE = 2**30  # bytes
SHUTDOWN_SECONDS = 30  # vLLM's own 5 are too few: it then kills the engine's process, and leaves a zombie
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Engine:
    llm: Any
    chat: ChatTokenizer
    lora: Any


class VllmJudgeModel:
    """A checkpoint in vLLM. `lora` is an adapter's path or Hub id; `engine_args` are those of `DECIDING_ARGS` and
    `SPEED_ARGS`. `gpu_memory_utilization` is 0.9 unless given, and 0.3 on vLLM's CPU build, which runs in float32.

    Raises, at the first request, `PrerequisiteError` where vLLM is not installed, `ConfigError` where it cannot start.
    """

    in_process = True

    def __init__(
        self,
        name: str,
        *,
        lora: str | None = None,
        dtype: str = "auto",
        max_model_len: int | None = None,
        gpu_memory_utilization: float | None = None,
        tensor_parallel_size: int = 1,
        enforce_eager: bool | None = None,
        seed: int = 0,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        system_role: bool = True,
        **engine_args: Any,
    ) -> None:
        _refuse_unknown(name, engine_args)
        cpu = _cpu_build()
        self._checkpoint = name
        self._lora = lora
        self._seed = seed
        self._template_kwargs = dict(chat_template_kwargs or {})
        self._system_role = system_role
        self._arguments: dict[str, Any] = engine_args | {
            "model": name,
            "dtype": "float32" if cpu and dtype == "auto" else dtype,
            "max_model_len": max_model_len,
            "gpu_memory_utilization": gpu_memory_utilization or (0.3 if cpu else 0.9),
            "tensor_parallel_size": tensor_parallel_size,
            "enforce_eager": cpu if enforce_eager is None else enforce_eager,
            "seed": seed,
            "max_logprobs": 20,  # the most that a request may ask for
            "use_tqdm_on_load": False,
        }
        if cpu and not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            self._arguments.setdefault("kv_cache_memory_bytes", CPU_KV_CACHE)
        self._engine: _Engine | None = None
        self._ids = count()

    @property
    def name(self) -> str:
        return f"vllm:{self._checkpoint}"

    @property
    def parameters(self) -> Mapping[str, object]:
        options = {key: self._arguments[key] for key in sorted(DECIDING_ARGS & self._arguments.keys())}
        return options | {
            "checkpoint": identity(self._checkpoint),
            "lora": identity(self._lora),
            "dtype": self._arguments["dtype"],
            "max_model_len": self._arguments["max_model_len"],
            "seed": self._seed,
            "chat_template_kwargs": self._template_kwargs,
            "system_role": self._system_role,
        }

    def check(self) -> None:
        """Raises `PrerequisiteError` where vLLM is not installed, `ConfigError` where there is no such folder."""
        require(self.name, "vllm", "vllm")
        require_folder(self.name, self._checkpoint, self._lora)

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        if not requests:
            return
        try:
            self._started().chat.require_template(requests)
        except ConfigError:
            self.close()
            raise
        crashes: list[str] = []
        for start in range(0, len(requests), CHUNK):
            yield from self._batch(requests, range(start, min(start + CHUNK, len(requests))), crashes)

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            with suppress(Exception):  # an engine that has died cannot shut down
                _end(engine.llm.llm_engine.engine_core)
            del engine
            _free_memory()

    def _batch(
        self, requests: Sequence[ChatRequest], indices: Sequence[int], crashes: list[str]
    ) -> Iterator[tuple[int, Completion]]:
        left = dict.fromkeys(indices)
        if len(crashes) < MAX_CRASHES:
            try:
                for index, completion in self._run(self._started(), requests, indices):
                    del left[index]
                    yield index, completion
            except Exception as error:  # noqa: BLE001 - whatever broke the engine, the others must still be answered
                logger.warning("judge model %s failed with %d requests in its batch: %s", self.name, len(left), error)
                crashes.append(message_line(error))
                self.close()
        if not left:
            return
        if len(left) == 1 or len(crashes) >= MAX_CRASHES:
            yield from ((index, Completion(error=f"the engine failed: {crashes[-1]}")) for index in left)
            return
        part = -(-len(left) // SPLIT)
        for start in range(0, len(left), part):
            yield from self._batch(requests, list(left)[start : start + part], crashes)

    def _run(
        self, engine: _Engine, requests: Sequence[ChatRequest], indices: Sequence[int]
    ) -> Iterator[tuple[int, Completion]]:
        """One batch. The engine works on the first prompts while the later ones are rendered."""
        running: dict[str, int] = {}
        llm_engine = engine.llm.llm_engine
        try:
            for index in indices:
                request_id = str(next(self._ids))
                failed = self._add(engine, request_id, requests[index])
                if failed is not None:
                    yield index, failed
                else:
                    running[request_id] = index
            while running:
                for output in llm_engine.step():
                    if output.finished:
                        index = running.pop(output.request_id)
                        yield index, _completion(engine, output, requests[index])
        finally:
            if running and self._engine is engine:
                with suppress(Exception):
                    llm_engine.abort_request(list(running))

    def _add(self, engine: _Engine, request_id: str, request: ChatRequest) -> Completion | None:
        """Hands a request to the engine; the failed completion of one that it does not take."""
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError

        prompt = engine.chat.prompt(request, engine.llm.model_config.max_model_len)
        if isinstance(prompt, Completion):
            return prompt
        for constrained in (True, False) if request.choices or request.pattern is not None else (False,):
            try:
                sampling = _sampling(request, constrained)
                engine.llm.llm_engine.add_request(request_id, tokens_input(prompt), sampling, lora_request=engine.lora)
            except EngineDeadError:
                raise
            except Exception as error:  # noqa: BLE001 - vLLM refuses with errors of many kinds
                failed = Completion(error=f"vLLM refuses the request: {message_line(error)}")
            else:
                return None
        return failed

    def _started(self) -> _Engine:
        if self._engine is None:
            self._engine = self._start()
        return self._engine

    def _start(self) -> _Engine:
        _quiet()
        try:
            from vllm import LLM
            from vllm.lora.request import LoRARequest
        except ImportError as error:
            raise PrerequisiteError(
                f"judge model {self.name!r} needs vLLM: pip install 'em-bench[vllm]' ({message_line(error)})"
            ) from error
        adapter = {"enable_lora": True, "max_lora_rank": _rank(self._lora)} if self._lora else {}
        try:
            with _stdout_kept_clean():
                llm = LLM(**self._arguments | adapter)
        except Exception as error:
            raise ConfigError(
                f"judge model {self.name!r} cannot start: {message_line(error)} (its process prints the cause above; "
                "where memory is short, stop other engines or lower gpu_memory_utilization or max_model_len)"
            ) from error
        chat = ChatTokenizer(llm.get_tokenizer(), self.name, self._template_kwargs, self._system_role)
        _wake_when_dead(llm.llm_engine.engine_core)
        return _Engine(llm, chat, LoRARequest("judge", 1, self._lora) if self._lora else None)


def _refuse_unknown(name: str, engine_args: Mapping[str, Any]) -> None:
    accepted = DECIDING_ARGS | SPEED_ARGS
    if unknown := sorted(engine_args.keys() - accepted):
        raise ConfigError(
            f"judge model 'vllm:{name}' has no option {', '.join(unknown)}; "
            f"of vLLM's own it takes {', '.join(sorted(accepted))}"
        )


def _end(engine_core: Any) -> None:
    """Ends an engine's processes, and the connection to them that vLLM leaves open."""
    engine_core.shutdown(timeout=SHUTDOWN_SECONDS)
    reader = getattr(engine_core, "output_queue_thread", None)
    if reader is not None:
        reader.join(SHUTDOWN_SECONDS)
        if not reader.is_alive():
            engine_core.ctx.destroy(linger=0)


def _wake_when_dead(engine_core: Any) -> None:
    """vLLM 0.32 waits without end for the answers of an engine whose process was killed, for want of memory say."""
    manager = getattr(getattr(engine_core, "resources", None), "engine_manager", None)
    if manager is None:  # the engine runs in this process
        return
    sentinels, outputs = manager.sentinels(), engine_core.outputs_queue

    def watch() -> None:
        wait(sentinels)
        outputs.put(RuntimeError("its process has ended"))

    Thread(target=watch, name="em-bench-engine-watch", daemon=True).start()


def _sampling(request: ChatRequest, constrained: bool) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    constraint = None
    if constrained and request.choices:
        constraint = StructuredOutputsParams(choice=list(request.choices))
    elif constrained:
        constraint = StructuredOutputsParams(regex=request.pattern)
    return SamplingParams(
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        logprobs=request.top_logprobs or None,
        structured_outputs=constraint,
        output_kind=RequestOutputKind.FINAL_ONLY,
        detokenize=False,  # `ChatTokenizer` does it, and keeps the spaces that vLLM's decoding of single tokens loses
    )


def _completion(engine: _Engine, output: Any, request: ChatRequest) -> Completion:
    (answer,) = output.outputs
    prompt_tokens = len(output.prompt_token_ids)
    if answer.finish_reason not in ("stop", "length"):
        return Completion(error=f"vLLM gave up the request: {answer.finish_reason}", prompt_tokens=prompt_tokens)
    ranked = None if answer.logprobs is None else [_ranked(place, request.top_logprobs) for place in answer.logprobs]
    return engine.chat.completion(answer.token_ids, ranked, answer.finish_reason, prompt_tokens)


def _ranked(place: Mapping[int, Any], count: int) -> list[tuple[int, float]]:
    """The likeliest tokens in one place; vLLM adds the one that was drawn where it is not among them."""
    alternatives = [(token_id, alternative.logprob) for token_id, alternative in place.items()]
    return sorted(alternatives, key=lambda pair: pair[1], reverse=True)[:count]


def _rank(lora: str) -> int:
    """The smallest rank that vLLM can reserve for this adapter. Raises `ConfigError` where it is none."""
    try:
        file = Path(lora) / "adapter_config.json"
        if not Path(lora).exists():
            from huggingface_hub import hf_hub_download

            file = Path(hf_hub_download(lora, file.name))
        config = json.loads(file.read_text())
        rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    except Exception as error:
        raise ConfigError(f"{lora} is no LoRA adapter that can be read: {message_line(error)}") from error
    return next((size for size in LORA_RANKS if size >= rank), rank)


def _cpu_build() -> bool:
    """Whether vLLM will run on the CPU, by vLLM's own rule and without importing it."""
    try:
        return "cpu" in version("vllm") or sys.platform == "darwin"
    except PackageNotFoundError:
        return False


def _quiet() -> None:
    """vLLM reads these when it is imported, here and in the engine's process. Its logs go to stdout by default."""
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    if "VLLM_LOGGING_LEVEL" not in os.environ:
        os.environ["VLLM_LOGGING_LEVEL"] = "WARNING"
        logging.getLogger("vllm").setLevel(logging.WARNING)


@contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """What an engine's processes print goes to stderr: stdout may hold JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _free_memory() -> None:
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
