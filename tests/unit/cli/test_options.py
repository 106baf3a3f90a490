"""Words of the command line as typed values."""

import pytest

from em_bench.cli.options import engine_arguments, judge_options
from em_bench.errors import ConfigError


def test_engine_arguments_are_numbers_and_truths_where_they_look_like_it():
    words = ["a=true", "b=0.3", "c=8", "d=float16", "revision=12", 'e={"x": 1}', "f=a=b", "g=[", "h="]
    arguments = {"a": True, "b": 0.3, "c": 8, "d": "float16", "revision": "12", "e": {"x": 1}}
    assert engine_arguments(words) == arguments | {"f": "a=b", "g": "[", "h": ""}


def test_judge_options_are_json_where_they_look_like_it():
    assert judge_options(["a=1", "b=true", 'c={"x": 1}', "d=text", "e="]) == {
        "a": 1, "b": True, "c": {"x": 1}, "d": "text", "e": "",
    }  # fmt: skip


@pytest.mark.parametrize(("read", "option"), [(engine_arguments, "--model-arg"), (judge_options, "--judge-option")])
def test_a_word_without_a_value_is_refused(read, option):
    with pytest.raises(ConfigError, match=f"{option} 'dtype' is not KEY=VALUE"):
        read(["dtype"])


@pytest.mark.parametrize("read", [engine_arguments, judge_options])
def test_no_words_are_no_options(read):
    assert read(None) == {}
