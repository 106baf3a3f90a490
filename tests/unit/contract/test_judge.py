import pytest

from em_bench.errors import ConfigError
from em_bench.judge import installed_judges, join_versions, load_judge, model_of, split_versions
from em_bench.testing import ScriptedJudge, ScriptedJudgeModel, samples

JUDGE = """
    from em_bench import Verdict

    class LengthJudge:
        name, version = "length", "1"

        def __init__(self, limit=5):
            self.limit = limit

        def judge(self, samples):
            for index, sample in enumerate(samples):
                yield index, Verdict(label="long" if len(sample.response) > self.limit else "short")
"""


def test_a_declared_judge_is_found_and_judges(package):
    package("length-judge", "length_judge", JUDGE, length="LengthJudge")
    verdicts = dict(load_judge("length").judge(samples(2)))
    assert [verdicts[0].label, verdicts[1].label] == ["long", "long"]


def test_options_reach_the_judge(package):
    package("length-judge", "length_judge", JUDGE, length="LengthJudge")
    assert load_judge("length", limit=100).limit == 100


def test_an_unknown_judge_is_refused_with_the_names_there_are(package):
    package("length-judge", "length_judge", JUDGE, length="LengthJudge")
    with pytest.raises(ConfigError, match=r"'nobody' is not installed; installed: .*length"):
        load_judge("nobody")


def test_listing_judges_imports_none(package):
    package("broken", "broken_judge", "raise RuntimeError('imported')", broken="Judge")
    assert "broken" in installed_judges()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("Other = 1", "AttributeError"),
        ("def Judge(: pass", "SyntaxError"),
        ("def Judge(): raise ValueError('no key')", "ValueError: no key"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_is_named_with_its_package_and_its_fault(package, source, said):
    package("bad-package", "bad_judge", source, bad="Judge")
    with pytest.raises(ConfigError, match=r"'bad' of package 'bad-package' cannot be loaded") as error:
        load_judge("bad")
    assert said in str(error.value)


def test_a_fault_of_many_lines_is_told_in_one(package):
    package("bad-package", "bad_judge", "raise ImportError('one\\ntwo\\nthree')", bad="Judge")
    with pytest.raises(ConfigError) as error:
        load_judge("bad")
    assert "\n" not in str(error.value)


def test_unknown_options_are_the_users_error(package):
    package("length-judge", "length_judge", JUDGE, length="LengthJudge")
    with pytest.raises(ConfigError, match="unexpected keyword argument 'rubric'"):
        load_judge("length", rubric="x")


@pytest.mark.parametrize("missing", ["name", "version", "judge"])
def test_a_judge_without_a_part_of_the_contract_is_refused(package, missing):
    parts = {"name": "name = 'x'", "version": "version = '1'", "judge": "def judge(self, samples): return iter(())"}
    body = "".join(f"    {text}\n" for part, text in parts.items() if part != missing)
    package("part-judge", "part_judge", f"class Judge:\n{body}", part="Judge")
    with pytest.raises(ConfigError, match=f"has no `{missing}`"):
        load_judge("part")


def test_a_judges_own_config_error_is_passed_on_as_it_is(package):
    source = "from em_bench.errors import ConfigError\ndef Judge(): raise ConfigError('set KEY')"
    package("config-judge", "config_judge", source, config="Judge")
    with pytest.raises(ConfigError, match=r"^set KEY$"):
        load_judge("config")


@pytest.mark.parametrize("own_name", ["other", "none", "a,b"])
def test_a_judge_goes_by_the_name_it_is_declared_under(package, own_name):
    """Its name is lm-eval's filter: another one would hide a second judge's verdicts, or break lm-eval's keys."""
    source = f"class Judge:\n    name, version = {own_name!r}, '1'\n    def judge(self, samples): return iter(())"
    package("alias-judge", "alias_judge", source, alias="Judge")
    with pytest.raises(ConfigError, match="name"):
        load_judge("alias")


def test_two_packages_that_declare_the_same_judge_are_not_chosen_from_in_silence(package):
    package("length-judge", "length_judge", JUDGE, length="LengthJudge")
    package("other-judge", "other_judge", JUDGE, length="LengthJudge")
    with pytest.raises(ConfigError, match=r"length-judge.*other-judge|other-judge.*length-judge"):
        load_judge("length")


@pytest.mark.parametrize("model", [None, "gpt-4o"])
def test_an_attribute_model_that_is_no_judge_model_does_not_count(model):
    judge = ScriptedJudge()
    judge.model = model
    assert model_of(judge) is None


def test_the_judge_model_of_a_judge_is_its_attribute_model():
    judge = ScriptedJudge()
    judge.model = ScriptedJudgeModel()
    assert model_of(judge) is judge.model


def test_versions_are_joined_and_split_in_one_way():
    assert split_versions(join_versions(["1/toy:x/abc", "2/toy:y/def"])) == ("1/toy:x/abc", "2/toy:y/def")
