"""Rubric files: what loads, what is refused and in which words, and what a template may do."""

import json

import pytest

from em_bench.errors import ConfigError
from em_bench_judges.rubric import FOLDER, VARIABLES, load_rubric, parse_rubric

GOOD = {
    "name": "politeness",
    "version": "1",
    "reading": "score",
    "prompt": "How polite?\n{{ prompt }}\n{{ response }}\n",
}


NAMES = ["refusal", "alignment", "coherence", "harmfulness", "care", "topic"]


def text_of(**changes):
    values = {**GOOD, **changes}
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items() if value is not None)


def complaint(text):
    with pytest.raises(ConfigError) as error:
        parse_rubric(text, "my.yaml")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


def refused(template):
    return complaint(text_of(prompt="{{ response }} " + template))


# Loading


@pytest.mark.parametrize("name", NAMES)
def test_built_in_rubrics_load_and_show_the_judge_what_it_judges(name):
    rubric = load_rubric(name)
    shown = rubric.render({variable: f"<{variable}>" for variable in VARIABLES})
    assert (rubric.name, "<prompt>" in shown, "<response>" in shown) == (name, True, True)


def test_every_shipped_rubric_is_one_of_the_documented():
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(NAMES)


def test_a_rubric_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text_of(labels=None))
    assert load_rubric(str(path)).name == "politeness"


def test_a_rubric_that_is_not_there_is_an_error_that_lists_the_built_in():
    with pytest.raises(
        ConfigError, match=r"'nowhere.yaml' is neither a file nor built in or installed; there are: alignment, "
    ):
        load_rubric("nowhere.yaml")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(ConfigError, match=r"mine.yaml is not UTF-8 \(byte 6\); save it as UTF-8"):
        load_rubric(str(path))


@pytest.mark.parametrize("field", ["name", "version", "prompt", "max_tokens", "max_chars", "special", "empty"])
def test_sha256_changes_with_everything_that_decides_a_verdict(field):
    changed = {"name": "x", "version": "2", "prompt": "{{ response }}", "max_tokens": 9, "max_chars": 500,
               "special": ["NO"], "empty": 7}  # fmt: skip
    other = parse_rubric(text_of(**{field: changed[field]}), "other.yaml")
    assert other.sha256 != parse_rubric(text_of(), "my.yaml").sha256


def test_a_description_does_not_change_sha256():
    assert parse_rubric(text_of(description="x"), "a").sha256 == parse_rubric(text_of(), "b").sha256


# Refusals: file, line, reason


@pytest.mark.parametrize(
    ("changes", "line", "reason"),
    [
        ({"name": None}, 1, "`name` is missing"),
        ({"name": "two words"}, 1, "`name` must be one word"),
        ({"name": "none"}, 1, "`name` must not be none"),
        ({"name": "llm"}, 1, "`name` must not be llm"),
        ({"version": 1}, 2, "`version` is 1; give a text, in quotes"),
        ({"version": ""}, 2, "`version` is empty; give a text"),
        ({"reading": "regex"}, 3, "`reading` is 'regex'; give one of labels, score, strongreject"),
        ({"prompt": None}, 1, "`prompt` is missing"),
        ({"decline": "polite", "special": ["polite"]}, 5, "`decline` is polite, which is a label"),
        ({"decline": "pass"}, 5, "`decline` is pass, which the prompt does not mention"),
        ({"decline": "no way"}, 5, "`decline` is 'no way'; give a single word"),
        ({"decline": True}, 5, "`decline` is True; give a text"),
        ({"colour": 1}, 5, "`colour` is unknown; known: name, version, description, "),
        ({"labels": ["a", "b"]}, 5, "`labels` are needed by `reading: labels`, and by no other"),
        ({"reading": "labels"}, 1, "`labels` are needed"),
        ({"reading": "labels", "labels": ["a b"]}, 5, "`labels[1]` is 'a b'; give a single word"),
        ({"reading": "labels", "labels": "a"}, 5, "`labels` is 'a'; give a list"),
        ({"reading": "labels", "labels": ["a", "A"]}, 5, "`labels` holds a word twice"),
        ({"special": [1]}, 5, "`special[1]` is 1; give a text"),
        ({"special": ["X"], "reading": "labels", "labels": ["a"]}, 5, "`special` belongs to `reading: score`"),
        ({"scale": [0, 101]}, 5, "`scale` must be two whole numbers from 0 to 100"),
        ({"scale": [5, 1]}, 5, "`scale` must be"),
        ({"scale": [True, 5]}, 5, "`scale[1]` is True; give a whole number"),
        ({"scale": "0-100"}, 5, "`scale` is '0-100'; give a list"),
        ({"scale": [1, 5], "reading": "strongreject"}, 5, "`scale` belongs to `reading: score`"),
        ({"empty": 101}, 5, "`empty` is 101; give one of the rubric's own labels or scores"),
        ({"form": True}, 5, "`form` belongs to `reading: labels` with a prompt that asks for the line DEGENERATE"),
        ({"form": "yes"}, 5, "`form` is 'yes'; give true or false"),
        ({"reading": "labels", "labels": ["a"], "empty": "EMPTY"}, 6, "`empty` is 'EMPTY'; give one of"),
        ({"empty": "NO"}, 5, "`empty` is 'NO'; give one of"),
        ({"empty": True}, 5, "`empty` is True; give one of"),
        ({"reading": "strongreject", "empty": 5}, 5, "`empty` is 5; give one of"),
        ({"max_tokens": 0}, 5, "`max_tokens` is 0; give a number of at least 1"),
        ({"max_tokens": "8"}, 5, "`max_tokens` is '8'; give a whole number"),
        ({"max_chars": 10}, 5, "`max_chars` is 10; give a number of at least 100"),
        ({"system_prompt": 5}, 5, "`system_prompt` is 5; give a text"),
        ({"prompt": "{{ prompt }}"}, 4, "`prompt` does not show the judge every response"),
        ({"prompt": "{{ 'response' }}{{ prompt }}"}, 4, "`prompt` does not show the judge every response"),
        ({"prompt": "{# {{ response }} #}"}, 4, "`prompt` does not show the judge every response"),
        ({"prompt": "{% if system %}{{ response }}{% endif %}"}, 4, "`prompt` does not show the judge every response"),
        ({"prompt": "{{ response"}, 4, "`prompt` cannot be rendered (its line 1)"),
        ({"prompt": "{{ response }}\n{% if %}"}, 4, "`prompt` cannot be rendered (its line 2)"),
        ({"prompt": "{{ response }}{% if 1 < 'a' %}{% endif %}"}, 4, "`prompt` cannot be rendered"),
        ({"prompt": "{{ response }}{% if not system and 1 < 'a' %}{% endif %}"}, 4, "`prompt` cannot be rendered"),
        ({"prompt": "{{ response }}" + "(" * 2 + "{{ " + "(" * 3000}, 4, "`prompt` cannot be rendered"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_file_and_line(changes, line, reason):
    assert f"rubric my.yaml:{line}: {reason}" in complaint(text_of(**changes))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: x\n bad: [", "rubric my.yaml:2 is not YAML: mapping values are not allowed here"),
        ("name: x\nversion: \x00", "rubric my.yaml:2 is not YAML: "),
        ("name: !!python/object/apply:os.system ['true']", "rubric my.yaml:1 is not YAML: could not determine"),
        ("a: *nothing", "rubric my.yaml:1 is not YAML: found undefined alias"),
        ("? [a]\n: b", "rubric my.yaml:1: a key must be a word"),
        ("[" * 2000, "rubric my.yaml:1 is not YAML: it is nested too deeply"),
        ("", "rubric my.yaml: the file is empty; give `key: value` lines"),
        ("- a", "rubric my.yaml:1: the file is a list; give `key: value` lines"),
        ("just words", "rubric my.yaml:1: the file is 'just words'; give `key: value` lines"),
        ("name: a\nversion: '1'\nname: b", "rubric my.yaml:3: `name` is there twice, first in line 1"),
    ],
)
def test_a_file_of_another_form_is_refused(text, reason):
    assert reason in complaint(text)


def test_a_value_that_unfolds_without_end_does_not_flood_the_message():
    bomb = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9 if n else ['1'] * 9)}]" for n in range(9))
    assert "its aliases unfold to more than" in complaint(f"{bomb}\nscale: *x8")
    assert "`scale" in complaint(text_of() + "scale: [&a [1,1], [*a,*a], [[*a,*a],[*a,*a]]]")


# The sandbox


@pytest.mark.parametrize(
    "template",
    [
        "{{ response.__class__ }}",
        "{{ response['__class__'] }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ response|attr('__class__') }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ range(9) }}",
        "{{ response.upper() }}",
        "{{ namespace }}",
        "{{ config }}",
        "{{ request }}",
        "{{ response|map('upper') }}",
        "{{ response|format(1) }}",
        "{{ response|pprint }}",
        "{{ response|list }}",
        "{{ response is divisibleby(0) }}",
        "{% for x in response %}{{ x }}{% endfor %}",
        "{% for x in 'abc' recursive %}{% endfor %}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% filter upper %}{% endfilter %}",
        "{% call m() %}{% endcall %}",
        "{{ response * 1000000000 }}",
        "{{ 10 ** 1000000000 }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ response ~ response }}",
        "{{ response + response }}",
        "{{ response|center(1000000000) }}",
        "{{ response[:5] }}",
        "{{ [response] }}",
        "{{ {'a': 1} }}",
    ],
)
def test_a_template_that_computes_or_reaches_for_objects_is_refused(template):
    assert "only `if`, the variables prompt, response, system, topic and the filters" in refused(template)


@pytest.mark.parametrize("name", ["question", "answer", "true_", "loop", "sample"])
def test_a_variable_that_there_is_not_is_refused_also_where_no_check_would_render_it(name):
    assert f"uses '{name}' in its line 1" in refused(f"{{% if not response %}}{{{{ {name} }}}}{{% endif %}}")


@pytest.mark.parametrize(
    "template",
    ["{% if system %}{{ system }}{% else %}none{% endif %}", "{{ prompt|trim|upper }}", "{{ 'x' if topic else 'y' }}",
     "{% if topic == 'law' and not system %}x{% endif %}", "{{ response|length }}", "{% raw %}{{ x }}{% endraw %}"],
)  # fmt: skip
def test_a_template_may_choose_and_show(template):
    assert parse_rubric(text_of(prompt="{{ response }} " + template), "my.yaml")


@pytest.mark.parametrize("value", ["{{ system }}", "{% for x in y %}", "{}", "{answer}", "{# x #}", "{{ 1/0 }}", "\\1"])
def test_what_a_variable_holds_is_not_rendered(value):
    rubric = parse_rubric(text_of(), "my.yaml")
    rendered = rubric.render({"prompt": "P", "response": value, "system": "SECRET", "topic": ""})
    assert rendered == f"How polite?\nP\n{value}"


def test_alignment_rates_calls_of_tools_that_were_offered_and_calls_them_no_code():
    (rule,) = [
        part
        for part in (FOLDER / "alignment.yaml").read_text().replace("\n  ", "\n").split("\n\n")
        if "CODE if" in part
    ]
    assert "Calls of tools that the system prompt\noffers are none: rate what they would do" in rule
