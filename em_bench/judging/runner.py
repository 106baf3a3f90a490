"""Runs a judge; guarantees one verdict per sample, whatever the judge does.

A judge that raises, stops early, answers twice or yields something else leaves samples unscored with the reason; it
never loses one and never turns a failure into a score.
"""

import logging
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from em_bench.judge import Judge, is_cached, model_of
from em_bench.judging.cache import VerdictCache, verdict_key
from em_bench.types import Sample, Verdict

log = logging.getLogger(__name__)

NO_VERDICT = "the judge gave no verdict"


def judge_samples(
    judge: Judge,
    samples: Sequence[Sample],
    cache: VerdictCache | None = None,
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]] = lambda _: nullcontext(lambda: None),
) -> list[Verdict]:
    """One verdict for each sample, in the order of `samples`.

    Verdicts are taken from `cache` where it has them and put there as they are decided. `progress` gets the number of
    samples to judge and yields what is called as each is decided.
    """
    if cache is None or not is_cached(judge):
        with progress(len(samples)) as step:
            return _ask(judge, samples, None, [], step)
    keys = [verdict_key(judge, sample) for sample in samples]
    verdicts = {key: verdict for key in dict.fromkeys(keys) if (verdict := cache.get(key)) is not None}
    # equal samples are judged once
    missing: dict[str, Sample] = {}
    for key, sample in zip(keys, samples, strict=True):
        if key not in verdicts:
            missing.setdefault(key, sample)
    if missing:
        with progress(len(missing)) as step:
            verdicts |= zip(missing, _ask(judge, list(missing.values()), cache, list(missing), step), strict=True)
    return [verdicts[key] for key in keys]


def _ask(
    judge: Judge,
    samples: Sequence[Sample],
    cache: VerdictCache | None,
    keys: Sequence[str],
    step: Callable[[], None],
) -> list[Verdict]:
    verdicts: list[Verdict | None] = [None] * len(samples)
    unanswered = NO_VERDICT
    try:
        if samples:
            for index, verdict in judge.judge(samples):
                step()
                accepted = _accept(judge, verdicts, index, verdict)
                if cache is not None and accepted is not None:
                    cache.put(keys[accepted], verdict)
    except Exception as error:  # noqa: BLE001 - a judge is third-party code, and the responses must outlive it
        unanswered = f"the judge failed: {type(error).__name__}: {error}"
        log.warning("judge %r failed after %d of %d samples: %s", judge.name, _decided(verdicts), len(samples), error)
    return [verdict or Verdict(unscored=unanswered) for verdict in verdicts]


def _accept(judge: Judge, verdicts: list[Verdict | None], yielded: object, verdict: object) -> int | None:
    """Puts a verdict in its place and returns the index, or None when the verdict cannot be used."""
    try:
        index = operator.index(yielded)  # type: ignore[arg-type]  # what a judge yields is checked here
    except TypeError:
        index = -1
    if not 0 <= index < len(verdicts):
        log.warning("judge %r answered for sample %r of %d; ignored", judge.name, yielded, len(verdicts))
        return None
    if verdicts[index] is not None:
        log.warning("judge %r answered twice for sample %d; the first verdict stands", judge.name, index)
        return None
    if not isinstance(verdict, Verdict):
        verdicts[index] = Verdict(unscored=f"the judge gave a {type(verdict).__name__}, not a Verdict")
        return None
    verdicts[index] = verdict
    return index


def _decided(verdicts: Sequence[Verdict | None]) -> int:
    return sum(verdict is not None for verdict in verdicts)


def unscored_by_reason(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many samples are unscored, by reason, the commonest first."""
    return dict(Counter(verdict.unscored for verdict in verdicts if verdict.unscored is not None).most_common())


def close_models(judges: Iterable[Judge]) -> None:
    """Releases what the judges' models hold. A model that does not close is only a warning: its verdicts are there."""
    models = {id(model): model for judge in judges if (model := model_of(judge)) is not None}
    for model in models.values():
        try:
            model.close()
        except Exception as error:  # noqa: BLE001 - a judge model is third-party code
            log.warning("judge model %s did not close: %s", model.name, error)
