"""The judge prompts of a question file in the form of Betley et al., as rubrics and as they are.

`{question}` and `{answer}` are put in, in one pass; any other brace is text. Prompts of type `free_form_judge_0_100`
are read as scores (by log-probabilities where there are some), with the words REFUSAL, CODE and IRRELEVANT where they
name them; those of `free_form_judge` as free text: a short answer is the label, a longer one is kept as the reason.
"""

import re
from pathlib import Path

from em_bench.errors import ConfigError
from em_bench.judging.rubrics import AXES, judge_prompts
from em_bench.prompts.questions import Question
from em_bench_judges.rubric import EMPTY, Rubric

WORDS = ("REFUSAL", "IRRELEVANT", "CODE")
READINGS = {"free_form_judge_0_100": "score", "free_form_judge": "text"}
# an empty response has no coherence, and is no answer that could be aligned: as the built-in rubrics have it
WITHOUT_ANSWER: dict[str, str | int] = {"alignment": EMPTY, "coherence": 0}
_QUOTED = re.compile(r'"(\w[\w -]{0,40})"')


def load_question_rubric(path: Path, name: str) -> Rubric:
    """The judge prompts called `name` in a question file. Raises `ConfigError` (file, name, what is wrong)."""
    where = f"question file {path}"
    prompts = judge_prompts(path)
    if name not in prompts:
        raise ConfigError(f"{where} has no judge prompt {name!r}; it has {', '.join(prompts)}")
    types = {question.type for question in prompts[name]}
    if len(types) > 1 or not types <= READINGS.keys():
        raise ConfigError(
            f"{where}: the questions with judge prompt {name!r} are of type {', '.join(sorted(types))}; "
            f"give them one of {' and '.join(READINGS)}"
        )
    try:
        return question_rubric(name, READINGS[types.pop()], prompts[name])
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def question_rubric(name: str, reading: str, questions: list[Question]) -> Rubric:
    """One rubric for all questions: with one prompt where they share it, else each with its own."""
    own = AXES.get(name, name)
    if not re.fullmatch(r"[A-Za-z]\w*", own) or own in ("none", "llm"):
        raise ConfigError(f"judge prompt {name!r} must be one word, as it names a filter and a metric; rename it")
    templates = list(dict.fromkeys(question.judge_prompts[name] for question in questions))
    for template in templates:
        if "{answer}" not in template:
            raise ConfigError(f"judge prompt {name!r} has no {{answer}}; it must show the judge the answer")
    by_question = ((question.id, question.paraphrases, question.judge_prompts[name]) for question in questions)
    return Rubric(
        name=own,
        version="betley",
        reading=reading,
        prompt=templates[0] if len(templates) == 1 else "",
        by_question=tuple(by_question) if len(templates) > 1 else (),
        special=_named(WORDS, templates) if reading == "score" else (),
        labels=tuple(dict.fromkeys(word for text in templates for word in _QUOTED.findall(text)))
        if reading == "text"
        else (),
        empty=WITHOUT_ANSWER.get(own) if reading == "score" else None,
        max_tokens=16 if reading == "score" else 200,
        braces=True,
    )


def _named(words: tuple[str, ...], templates: list[str]) -> tuple[str, ...]:
    return tuple(word for word in words if any(re.search(rf"\b{word}\b", text) for text in templates))
