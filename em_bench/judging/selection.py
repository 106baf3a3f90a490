"""The judges of one evaluation: each judge and judge model is made once and shared by its tasks."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from em_bench.judge import Judge, load_judge
from em_bench.judge_model import JudgeModel, load_judge_model
from em_bench.judging.options import FORMAT, GUARD, JUDGE_KEYS, LLM, READING, TEMPERATURE, THINKING
from em_bench.judging.readiness import check_judges


class JudgePool:
    """Makes judges and judge models on demand, once each, and remembers which judges are ready."""

    def __init__(self) -> None:
        self._judges: dict[str, Judge] = {}
        self._rubric_judges: dict[tuple[str, str, str, str | None, str | None], Judge] = {}
        self._guards: dict[tuple[str, str], Judge] = {}
        self._models: dict[tuple[str, str], JudgeModel] = {}
        self._ready: list[Judge] = []

    def judge(self, name: str) -> Judge:
        """The installed judge of that name. Raises `ConfigError` when it cannot be made."""
        if name not in self._judges:
            self._judges[name] = load_judge(name)
        return self._judges[name]

    def rubric_judge(
        self, rubric: str, spec: str, options: Mapping[str, Any], topic: str | None, judge_prompt: str | None = None
    ) -> Judge:
        """The LLM judge that puts `rubric` to the judge model `spec`. Raises `ConfigError` when it cannot be made."""
        key = (rubric, spec, json.dumps(options, sort_keys=True), topic, judge_prompt)
        if key not in self._rubric_judges:
            model = self._model(spec, options)
            own = {name: value for name, value in options.items() if name in (THINKING, READING, TEMPERATURE)}
            own |= {"judge_prompt": judge_prompt} if judge_prompt else {}
            self._rubric_judges[key] = load_judge(LLM, rubric=rubric, model=model, topic=topic, **own)
        return self._rubric_judges[key]

    def guard(self, spec: str, options: Mapping[str, Any]) -> Judge:
        """The guard judge that asks the judge model `spec`. Raises `ConfigError` when it cannot be made."""
        key = (spec, json.dumps(options, sort_keys=True))
        if key not in self._guards:
            own = {FORMAT: options[FORMAT]} if FORMAT in options else {}
            self._guards[key] = load_judge(GUARD, model=self._model(spec, options), **own)
        return self._guards[key]

    def check(self, judges: Iterable[Judge], ask: Iterable[Judge]) -> None:
        """Raises `PrerequisiteError` with everything that `judges` lack, or with those of `ask` that cannot work.

        A judge that was found ready is not asked again.
        """
        unchecked = [judge for judge in ask if not any(judge is ready for ready in self._ready)]
        check_judges(judges, unchecked)
        self._ready += unchecked

    def _model(self, spec: str, options: Mapping[str, Any]) -> JudgeModel:
        own = {name: value for name, value in options.items() if name not in JUDGE_KEYS}
        key = (spec, json.dumps(own, sort_keys=True))
        if key not in self._models:
            self._models[key] = load_judge_model(spec, **own)
        return self._models[key]
