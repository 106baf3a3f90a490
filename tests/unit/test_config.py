from pathlib import Path

import pytest

from em_bench.config import load_settings
from em_bench.errors import ConfigError


def config_file(text, name="em-bench.yaml"):
    Path(name).write_text(text, encoding="utf-8")


def complaint(metadata=None):
    with pytest.raises(ConfigError) as error:
        load_settings(metadata)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_any_setting_the_keyword_judge_is_asked_and_tasks_keep_their_repeats():
    settings = load_settings()
    assert (settings.judges, settings.repeats) == (("keyword",), None)


def test_without_a_setting_the_cache_lies_in_the_users_cache_folder(monkeypatch):
    monkeypatch.delenv("EM_BENCH_CACHE_DIR")
    assert load_settings().cache_dir.name == "em-bench"


@pytest.mark.parametrize(
    ("key", "variable", "values", "expected"),
    [
        ("judges", "EM_BENCH_JUDGES", ("a", "b", "c"), [("a",), ("b",), ("c",)]),
        ("repeats", "EM_BENCH_REPEATS", (1, "2", 3), [1, 2, 3]),
        ("max_unscored", "EM_BENCH_MAX_UNSCORED", (0.1, "0.2", 0.3), [0.1, 0.2, 0.3]),
        (
            "judge_model",
            "EM_BENCH_JUDGE_MODEL",
            ("hf:a", "hf:b,hf:c", ["hf:d"]),
            [("hf:a",), ("hf:b", "hf:c"), ("hf:d",)],
        ),
    ],
)
def test_metadata_goes_before_the_environment_and_that_before_the_file(monkeypatch, key, variable, values, expected):
    metadata, environment, file = values
    monkeypatch.delenv(variable, raising=False)
    config_file(f"{key}: {file}")
    name = {"judge_model": "judge_models"}.get(key, key)
    assert getattr(load_settings(), name) == expected[2]
    monkeypatch.setenv(variable, environment)
    assert getattr(load_settings(), name) == expected[1]
    assert getattr(load_settings({key: metadata}), name) == expected[0]


def test_a_cache_dir_among_the_model_arguments_is_the_models(monkeypatch):
    """lm-eval merges --model_args into the metadata."""
    assert load_settings({"cache_dir": "/models"}).cache_dir != Path("/models")


def test_naming_a_judge_model_asks_the_llm_judge_too():
    assert load_settings({"judge_model": "openai:x"}).judges == ("keyword", "llm")
    assert load_settings({"judge_model": "openai:x", "judges": "keyword"}).judges == ("keyword",)


def test_sources_fill_in_for_each_other():
    config_file("judges: [a, b]\nrepeats: 4")
    settings = load_settings({"repeats": 2})
    assert (settings.judges, settings.repeats) == (("a", "b"), 2)


@pytest.mark.parametrize("value", ["a,b", " a , b,a,", ["a", "b"], ("a", "b", "a")])
def test_judges_are_a_list_or_names_with_commas_each_once(value):
    assert load_settings({"judges": value}).judges == ("a", "b")


def test_an_empty_variable_is_no_setting(monkeypatch):
    monkeypatch.setenv("EM_BENCH_JUDGES", "")
    monkeypatch.setenv("EM_BENCH_REPEATS", "")
    assert load_settings().judges == ("keyword",)
    assert load_settings().repeats is None


def test_metadata_may_hold_what_is_not_ours():
    assert load_settings({"pretrained": "x", "version": 1.0}).judges == ("keyword",)


def test_a_named_file_is_read_in_place_of_the_working_folders(monkeypatch):
    config_file("judges: here")
    config_file("judges: there", "other.yaml")
    monkeypatch.setenv("EM_BENCH_CONFIG", "other.yaml")
    assert load_settings().judges == ("there",)


def test_a_home_folder_is_written_with_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("EM_BENCH_CACHE_DIR", "~/cache")
    assert load_settings().cache_dir == Path("/home/someone/cache")


def test_an_empty_file_is_no_setting():
    config_file("# nothing\n")
    assert load_settings().judges == ("keyword",)


def test_a_named_file_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setenv("EM_BENCH_CONFIG", "missing.yaml")
    assert "missing.yaml, which is not a file" in complaint()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("judges: [a", "em-bench.yaml:1 is not YAML"),
        ("- a\n- b", "there are no `key: value` lines"),
        ("just text", "there are no `key: value` lines"),
        ("topic: a\njudgse: a", "em-bench.yaml:2: `judgse` is unknown; did you mean `judges`?"),
        ("7: b", "`7` is unknown; known: judges, "),
        ("judges: a\njudges: b", "em-bench.yaml:2: `judges` is there twice"),
        ("judges: {a: 1}", "`judges` is a mapping; give a list"),
        ("judges: [a, 1]", "`judges[2]` is 1; give a text"),
        ("judges: []", "`judges` is empty"),
        ("repeats: many", "`repeats` is 'many'; give a whole number"),
        ("cache_dir: 7", "`cache_dir` is 7; give a path"),
        ("cache_dir: [a]", "`cache_dir` is a list; give a path"),
        ("cache_dir: ~no_such_user_here/x", "cache_dir"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(monkeypatch, text, said):
    monkeypatch.delenv("EM_BENCH_CACHE_DIR")
    config_file(text)
    assert said in complaint()
    assert "em-bench.yaml" in complaint()


def test_a_file_that_is_not_utf8_is_one_line_that_names_it():
    Path("em-bench.yaml").write_bytes(b"judges: \xff")
    assert "em-bench.yaml is not UTF-8 (byte 8)" in complaint()


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "many", [3], float("inf"), float("nan")])
def test_repeats_are_a_whole_number_of_at_least_one(value):
    assert "--metadata: `repeats` is " in complaint({"repeats": value})


def test_a_wrong_variable_is_named_as_the_environment(monkeypatch):
    monkeypatch.setenv("EM_BENCH_REPEATS", "-3")
    assert "the environment: `repeats` is -3; give a number of at least 1" in complaint()


def test_judges_that_are_only_commas_are_refused(monkeypatch):
    monkeypatch.setenv("EM_BENCH_JUDGES", " ,")
    assert "the environment: `judges` is empty" in complaint()


def test_empty_judge_options_of_the_command_line_leave_those_of_the_file():
    config_file("judge_options: {max_in_flight: 2}")
    assert load_settings({"judge_options": {}}).judge_options == {"max_in_flight": 2}
    assert load_settings({"judge_options": {"seed": 1}}).judge_options == {"seed": 1}


@pytest.mark.parametrize(
    "value", [{"colour": 1}, {"name": ""}, {"name": "a\nb"}, {"name": "a" * 101}, {"task": "x"}, 3]
)
def test_a_wrong_finetune_domain_is_one_line(value):
    assert "`finetune_domain" in complaint({"finetune_domain": value})


def test_a_finetune_domain_is_a_name_or_a_name_with_its_task():
    assert load_settings({"finetune_domain": "cars"}).finetune_domain == {"name": "cars", "task": None}
    whole = {"name": "cars", "task": "em_cars"}
    assert load_settings({"finetune_domain": whole}).finetune_domain == whole


def test_a_huge_value_does_not_flood_the_message():
    assert len(complaint({"repeats": "x" * 10**6})) < 200
    assert len(complaint({"judges": {"x": list(range(10**5))}})) < 200


def test_tiers_are_a_list_or_names_with_commas(monkeypatch):
    assert load_settings({"tiers": ["explicit", "hard"]}).tiers == ("explicit", "hard")
    monkeypatch.setenv("EM_BENCH_TIERS", "obscured,hard")
    assert load_settings().tiers == ("obscured", "hard")


def test_an_unknown_tier_is_one_line_with_the_nearest_name():
    assert complaint({"tiers": "explicit,obscure"}) == (
        "--metadata: `tiers` names the tier 'obscure'; did you mean `obscured`?"
    )
