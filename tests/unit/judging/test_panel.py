"""Panels: two axes as one verdict, juries and their agreement, and which judges a task gets."""

import pytest

from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judging.panel import Panel, panels_for
from em_bench.judging.selection import JudgePool
from em_bench.judging.votes import axes_verdict, jury_verdict
from em_bench.metrics.registry import Kind
from em_bench.stats.agreement import alpha
from em_bench.testing import ScriptedJudge, ScriptedJudgeModel, installed, sample
from em_bench.types import Verdict
from em_bench_judges.llm import LlmJudge

FAILED = Verdict(unscored="timed out")


def label(name):
    return FAILED if name is None else Verdict(label=name)


def score(number):
    return FAILED if number is None else Verdict(score=number)


def jury(*votes):
    return jury_verdict({f"m{number}": vote for number, vote in enumerate(votes)})


@pytest.fixture
def models():
    """The judge models that were made, by spec, of the kinds `toy` and `local`."""
    made = {}

    def kind(name):
        return lambda model, **options: made.setdefault(
            f"{name}:{model}", ScriptedJudgeModel(name=f"{name}:{model}", parameters=options)
        )

    with installed(judge_models={name: kind(name) for name in ("toy", "local")}):
        yield made


def settings(*judge_models, judges=("llm",), **fields):
    return Settings(judges=judges, judge_models=judge_models, **fields)


# Axes


def test_the_first_axis_leads_and_both_are_kept():
    found = axes_verdict({"alignment": score(20), "coherence": score(90)})
    assert (found.label, found.score, dict(found.parts)) == (
        None, 20.0, {"alignment": score(20), "coherence": score(90)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("alignment", "coherence", "reason"),
    [(None, 90, "alignment: timed out"), (20, None, "coherence: timed out"),
     (None, None, "alignment: timed out; coherence: timed out")],
)  # fmt: skip
def test_one_failed_axis_leaves_the_sample_unscored_and_keeps_the_other(alignment, coherence, reason):
    found = axes_verdict({"alignment": score(alignment), "coherence": score(coherence)})
    assert (found.unscored, found.parts["coherence"]) == (reason, score(coherence))


# Juries


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (["a", "a", "b"], "a"),
        (["b", "a", "a"], "a"),
        (["a", "a", None], "a"),
        (["a", "b", None], None),
        (["a", "b"], None),
        (["a", "b", "c"], None),
        (["a", "a", "b", "b"], None),
    ],
)
def test_more_than_half_of_the_votes_decide_a_label(votes, expected):
    found = jury(*map(label, votes))
    assert (found.label, found.unscored) == (expected, None if expected else "the jury is divided")


@pytest.mark.parametrize("votes", [["a", None], [None, None, "a"], [None, None]])
def test_half_of_the_jury_is_too_few(votes):
    assert jury(*map(label, votes)).unscored == "too few of the jury gave a verdict"


def test_scores_are_averaged_over_those_who_gave_one():
    found = jury(score(10), score(20), score(None))
    assert (found.score, found.reason) == (15.0, "mean of 2 of 3 jurors")


@pytest.mark.parametrize(
    ("votes", "score_", "label_"),
    [([score(10), score(20), label("REFUSAL")], 15.0, None),
     ([score(10), label("REFUSAL"), label("REFUSAL")], None, "REFUSAL"),
     ([score(10), label("REFUSAL")], None, None)],
)  # fmt: skip
def test_a_word_and_a_number_are_different_votes(votes, score_, label_):
    found = jury(*votes)
    assert (found.score, found.label) == (score_, label_)


def test_every_vote_is_kept():
    assert dict(jury(label("a"), label("a"), FAILED).parts) == {"m0": label("a"), "m1": label("a"), "m2": FAILED}


def test_jurors_of_one_name_do_not_overwrite_each_other():
    jurors = [ScriptedJudge(version="1") for _ in range(3)]
    panel = Panel("llm", {"refusal": jurors})
    votes = [label("a"), label("b"), label("b")]
    (found,) = panel.combine([[vote] for vote in votes])
    assert (found.label, len(found.parts)) == ("b", 3)


def test_jurors_are_called_by_their_judge_model(models):
    (panel,) = panels_for(Kind.HARMFUL, settings("toy:a/b", "local:c"), None)
    (found,) = panel.combine([[label("refusal")] for _ in panel.members])
    assert list(found.parts["refusal"].parts) == ["toy:a/b", "local:c"]


# Agreement

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): C. nominal data, any number of observers,
# missing data: 0.743 nominal, 0.849 interval. A. binary data, two observers: 0.095. B. nominal, two observers: 0.692.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
BINARY = ["0100000010", "1110010000"]
LETTERS = ["aabbdcccedda", "babbbccceddd"]


def units(rows, vote):
    return [{str(number): vote(value) for number, value in enumerate(column)} for column in zip(*rows, strict=True)]


def nominal(value):
    return label(None if value is None else str(value))


@pytest.mark.parametrize(
    ("rows", "vote", "expected"),
    [(OBSERVERS, nominal, 0.743), (OBSERVERS, score, 0.849), (BINARY, nominal, 0.095), (LETTERS, nominal, 0.692)],
    ids=["nominal", "interval", "binary", "two observers"],
)
def test_alpha_is_the_published_value(rows, vote, expected):
    assert alpha(units(rows, vote)) == pytest.approx(expected, abs=0.0006)


def test_full_agreement_is_1_and_alpha_without_variation_is_undefined():
    assert alpha(units([[1, 2, 3], [1, 2, 3]], score)) == pytest.approx(1)
    assert alpha(units([[1, 1], [1, 1]], score)) is None
    assert alpha(units(["aa", "aa"], nominal)) is None
    assert alpha([]) is None
    assert alpha(units([[1, None], [None, 2]], score)) is None


def test_a_word_among_scores_does_not_make_scores_labels():
    rows = units([[10.1, 50.2, 90.3, 20.0], [10.2, 50.1, 90.4, 21.0]], score)
    mixed = [*rows, {"0": label("REFUSAL"), "1": score(5)}]
    assert alpha(mixed) == alpha(rows) > 0.99


def test_alpha_of_thousands_of_different_scores_is_quick():
    rows = [[n + 0.001 * juror for n in range(20_000)] for juror in range(3)]
    assert alpha(units(rows, score)) == pytest.approx(1)


def test_agreement_is_given_for_each_axis_of_a_jury_and_not_without_one():
    two, three = [ScriptedJudge(version=str(n)) for n in range(2)], [ScriptedJudge(version=str(n)) for n in range(2)]
    panel = Panel("llm", {"alignment": two, "coherence": three})
    columns = [[score(n + shift) for n in (1, 5, 9)] for shift, _ in enumerate([*two, *three])]
    found = panel.agreement(panel.combine(columns))
    assert found.keys() == {"alignment", "coherence"}
    assert all(0.9 < value < 1 for value in found.values())
    assert Panel("llm", {"alignment": two[:1]}).agreement([score(1)]) is None


def test_a_jury_on_one_axis_has_its_agreement_too():
    jurors = [ScriptedJudge(version=str(number)) for number in range(2)]
    panel = Panel("llm", {"refusal": jurors})
    columns = [[label("a"), label("b")], [label("a"), label("b")]]
    assert panel.agreement(panel.combine(columns)) == {"refusal": 1.0}


# Which judges a task gets


@pytest.mark.parametrize(
    ("kind", "axes"),
    [(Kind.HARMFUL, ["refusal"]), (Kind.BENIGN, ["refusal"]), (Kind.PROBE, ["alignment", "coherence"])],
)
def test_llm_is_the_rubrics_that_fit_the_kind(models, kind, axes):
    (panel,) = panels_for(kind, settings("toy:x"))
    assert (panel.name, list(panel.axes)) == ("llm", axes)


def test_several_judge_models_are_a_jury_on_every_axis(models):
    (panel,) = panels_for(Kind.PROBE, settings("toy:x", "toy:y", "toy:z"))
    assert [len(jurors) for jurors in panel.axes.values()] == [3, 3]


def test_judges_and_judge_models_are_made_once_for_all_tasks(models):
    chosen = settings("toy:x")
    pool = JudgePool()
    first, second = panels_for(Kind.HARMFUL, chosen, pool=pool), panels_for(Kind.BENIGN, chosen, pool=pool)
    assert first[0].members[0] is second[0].members[0]
    assert list(models) == ["toy:x"]


def test_a_rubric_that_says_nothing_about_a_kind_is_left_out(models):
    chosen = settings("toy:x", judges=("keyword", "harmfulness", "topic"), topic="law")
    names = {kind: [panel.name for panel in panels_for(kind, chosen)] for kind in Kind}
    assert names[Kind.HARMFUL] == ["keyword", "harmfulness", "topic"]
    assert names[Kind.PROBE] == names[Kind.BENIGN] == ["keyword", "topic"]


def test_a_rubric_of_ones_own_is_a_filter_of_its_name(models, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text('name: politeness\nversion: "1"\nreading: score\nprompt: "{{ response }}"')
    (panel,) = panels_for(Kind.PROBE, settings("toy:x", judges=(str(path),)))
    assert panel.name == "politeness"


def test_two_rubrics_of_one_name_are_refused(models, tmp_path):
    paths = [tmp_path / f"{name}.yaml" for name in "ab"]
    for path in paths:
        path.write_text('name: same\nversion: "1"\nreading: score\nprompt: "{{ response }}"')
    with pytest.raises(ConfigError, match="two judges are called same; rename one rubric"):
        panels_for(Kind.PROBE, settings("toy:x", judges=tuple(map(str, paths))))


def test_a_rubric_without_a_judge_model_says_how_to_name_one():
    with pytest.raises(ConfigError, match=r"judge 'coherence' is not installed .* needs a judge model: name one with"):
        panels_for(Kind.PROBE, settings(judges=("coherence",)))


def test_an_unknown_rubric_is_an_error_that_lists_those_there_are(models):
    with pytest.raises(
        ConfigError, match="rubric 'cohrence' is neither a file nor built in or installed; there are: alignment"
    ):
        panels_for(Kind.PROBE, settings("toy:x", judges=("cohrence",)))


@pytest.mark.parametrize("spec", ["local:org/tiny", "local:org/tiny", "toy:org/tiny/"])
def test_the_checkpoint_under_test_is_refused_as_its_own_judge(models, spec):
    with pytest.raises(ConfigError, match="is the checkpoint under test; name another, or say that you mean it"):
        panels_for(Kind.PROBE, settings(spec), {"pretrained": "org/tiny"})


def test_the_checkpoint_judges_itself_when_that_is_asked_for(models):
    allowed = settings("local:org/tiny", judge_options={"allow_self": True, "seed": 1})
    (panel,) = panels_for(Kind.PROBE, allowed, {"pretrained": "org/tiny"})
    judge = panel.members[0]
    assert isinstance(judge, LlmJudge)
    assert judge.model.parameters == {"seed": 1}


# Options of each juror


def options_of(**judge_options):
    chosen = settings("toy:x", "local:y", judge_options=judge_options)
    return {
        judge.model.name: judge.model.parameters
        for panel in panels_for(Kind.HARMFUL, chosen)
        for judge in panel.members
    }


def test_options_under_a_jurors_spec_are_its_own_and_stand_over_the_shared(models):
    found = options_of(seed=1, top=2, **{"toy:x": {"base_url": "http://one", "seed": 3}})
    assert found == {"toy:x": {"base_url": "http://one", "seed": 3, "top": 2}, "local:y": {"seed": 1, "top": 2}}


def test_room_to_think_is_the_judges_and_not_the_judge_models(models):
    chosen = settings("toy:x", "local:y", judge_options={"toy:x": {"thinking_tokens": 500}, "seed": 1})
    (panel,) = panels_for(Kind.HARMFUL, chosen)
    asked = [judge.request(sample("No."), "No.").max_tokens for judge in panel.members]
    assert asked == [660, 160]
    assert [judge.model.parameters for judge in panel.members] == [{"seed": 1}, {"seed": 1}]


def test_options_for_a_judge_model_that_is_not_asked_are_refused(models):
    with pytest.raises(ConfigError, match="has options for toy:z, which is not a judge model of this run; its judge"):
        options_of(**{"toy:z": {}})


def test_options_of_a_juror_are_a_mapping(models):
    with pytest.raises(ConfigError, match="`judge_options` for local:y is 'fast'; give keys with values"):
        options_of(**{"local:y": "fast"})


def test_one_juror_alone_may_be_allowed_to_judge_itself(models):
    def chosen(spec):
        return settings("local:org/tiny", "toy:x", judge_options={spec: {"allow_self": True, "seed": 1}})

    (panel,) = panels_for(Kind.HARMFUL, chosen("local:org/tiny"), {"pretrained": "org/tiny"})
    assert [judge.model.parameters for judge in panel.members] == [{"seed": 1}, {}]
    with pytest.raises(ConfigError, match="is the checkpoint under test"):
        panels_for(Kind.HARMFUL, chosen("toy:x"), {"pretrained": "org/tiny"})


# What was asked stands in the verdict


@pytest.mark.parametrize(
    ("rubric", "kind", "part"),
    [("refusal", Kind.HARMFUL, ["refusal"]), ("harmfulness", Kind.HARMFUL, ["harmfulness"]),
     ("topic", Kind.PROBE, ["topic"]), ("keyword", Kind.HARMFUL, [])],
)  # fmt: skip
def test_a_verdict_on_one_axis_says_by_which_rubric_and_a_plain_judges_stands_as_it_is(models, rubric, kind, part):
    (panel,) = panels_for(kind, settings("toy:x", judges=(rubric,), topic="law"))
    for verdict in (label("refusal"), FAILED):
        (found,) = panel.combine([[verdict] for _ in panel.members])
        assert (found.label, found.unscored, list(found.parts)) == (verdict.label, verdict.unscored, part)


def test_a_rubric_of_ones_own_knows_full_refusals_if_it_knows_partial_ones(models, tmp_path):
    for labels, part in (("[refusal, compliance]", []), ("[refusal, partial_refusal]", ["refusal"])):
        path = tmp_path / f"{len(labels)}.yaml"
        path.write_text(f'name: mine\nversion: "1"\nreading: labels\nlabels: {labels}\nprompt: "{{{{ response }}}}"')
        (panel,) = panels_for(Kind.HARMFUL, settings("toy:x", judges=(str(path),)))
        (found,) = panel.combine([[label("refusal")] for _ in panel.members])
        assert list(found.parts) == part


def test_the_agreement_of_a_jury_on_a_named_axis_is_that_of_its_votes(models):
    (panel,) = panels_for(Kind.HARMFUL, settings("toy:x", "toy:y"))
    votes = [label("refusal"), label("compliance")]
    assert panel.agreement(panel.combine([votes for _ in panel.members])) == {"refusal": 1.0}


def loops(name):
    return Verdict(label=name, parts={"form": Verdict(label="degenerate")})


@pytest.mark.parametrize(
    ("votes", "is_flagged"),
    [
        ([loops("refusal")], True),
        ([label("refusal")], False),
        ([loops("refusal"), loops("refusal"), label("refusal")], True),
        ([loops("refusal"), label("refusal"), label("refusal")], False),
        ([loops("refusal"), loops("refusal"), FAILED], True),
    ],
)
def test_the_form_that_most_jurors_see_stands_beside_the_label(models, votes, is_flagged):
    (panel,) = panels_for(Kind.HARMFUL, settings(*(f"toy:{n}" for n in range(len(votes)))))
    (found,) = panel.combine([[vote] for vote in votes])
    assert (found.label, "form" in found.parts) == ("refusal", is_flagged)
    assert panel.agreement([found]) is None or set(panel.agreement([found])) == {"refusal"}


# Readings


def readings_of_refusal(models, **options):
    panel = panels_for(Kind.HARMFUL, settings("toy:a", judge_options=options))[0]
    return panel.members


def test_readings_are_judges_of_one_model_with_versions_of_their_own(models):
    members = readings_of_refusal(models, readings=3)
    assert len({judge.version for judge in members}) == 3
    assert len({id(judge.model) for judge in members}) == 1


def test_one_reading_has_the_version_that_it_had_without_the_option(models):
    assert readings_of_refusal(models, readings=1)[0].version == readings_of_refusal(models)[0].version


def test_with_a_seed_each_reading_has_a_seed_of_its_own():
    with installed(judge_models={"toy": ScriptedJudgeModel.named}):
        members = readings_of_refusal(None, readings=3, seed=7)
    assert [judge.model.parameters["seed"] for judge in members] == [7, 8, 9]


@pytest.mark.parametrize("count", [0, 2, 17, "3", True, 3.0])
def test_readings_whose_majority_could_be_a_tie_are_refused(models, count):
    with pytest.raises(ConfigError, match="give an odd number from 1 to 15"):
        readings_of_refusal(models, readings=count)


@pytest.mark.parametrize("temperature", [-1, 3, "hot", True])
def test_a_reading_temperature_that_is_none_is_refused(models, temperature):
    with pytest.raises(ConfigError, match="give a number from 0 to 2"):
        readings_of_refusal(models, readings=3, reading_temperature=temperature)


# Care


def test_keyword_does_not_judge_care_and_the_llm_judge_asks_rubric_care(models):
    assert panels_for(Kind.CARE, Settings()) == []
    (panel,) = panels_for(Kind.CARE, settings("toy:a"))
    assert list(panel.axes) == ["care"]


@pytest.mark.parametrize("kind", [Kind.HARMFUL, Kind.BENIGN, Kind.PROBE])
def test_rubric_care_says_nothing_about_other_tasks(models, kind):
    assert panels_for(kind, settings("toy:a", judges=("care",))) == []


def test_a_verdict_on_care_names_the_rubric(models):
    (panel,) = panels_for(Kind.CARE, settings("toy:a"))
    (verdict,) = panel.combine([[label("supportive")]])
    assert (verdict.label, list(verdict.parts)) == ("supportive", ["care"])


# Guards


WILDGUARD, LLAMA = "toy:wildguard", "toy:llama-guard-3"


def guards(models, *specs, judges=("guard",), kind=Kind.HARMFUL, **options):
    return panels_for(kind, settings(*specs, judges=judges, judge_options=options))


def test_each_format_of_guards_is_a_panel_of_its_own(models):
    panels = guards(models, WILDGUARD, LLAMA, "toy:llama-guard-4", kind=Kind.PROBE)
    assert [(panel.name, len(panel.members)) for panel in panels] == [("wildguard", 1), ("llama_guard", 2)]


def test_a_guard_in_a_named_format_stands_beside_the_rubrics_of_another_judge_model(models):
    named = {"toy:x": {"format": "wildguard"}}
    panels = guards(models, "toy:gpt", "toy:x", judges=("llm", "guard"), **named)
    assert [(panel.name, [judge.model.name for judge in panel.members]) for panel in panels] == [
        ("llm", ["toy:gpt"]), ("wildguard", ["toy:x"]),
    ]  # fmt: skip


def test_the_format_is_no_option_of_the_judge_model(models):
    guards(models, "toy:x", format="wildguard", seed=1)
    assert models["toy:x"].parameters == {"seed": 1}


@pytest.mark.parametrize(
    ("specs", "judges", "options", "message"),
    [
        ((), ("guard",), {}, "judge `guard` needs a judge model"),
        (("toy:gpt",), ("llm", "guard"), {}, "its `format` in `judge_options` says that it is one"),
        (("toy:x",), ("llm", "guard"), {"format": "wildguard"}, "judge `llm` needs a judge model"),
        (("toy:x",), ("llm",), {"format": "wildguard"}, "only judge `guard` reads; add it to the judges"),
        (("toy:x",), ("guard",), {}, "does not know the format of toy:x"),
    ],
)
def test_guards_that_cannot_be_told_are_refused(models, specs, judges, options, message):
    with pytest.raises(ConfigError, match=message):
        guards(models, *specs, judges=judges, **options)


def test_the_checkpoint_under_test_is_no_guard_of_itself(models):
    with pytest.raises(ConfigError, match="is the checkpoint under test"):
        panels_for(Kind.HARMFUL, settings(WILDGUARD, judges=("guard",)), {"pretrained": "wildguard"})


def guarded(label, harm):
    return Verdict(label=label, parts={"harm": Verdict(label=harm)})


def test_a_guard_of_harm_alone_says_so_among_the_parts(models):
    (panel,) = guards(models, LLAMA)
    (safe, failed) = panel.combine([[label("safe"), FAILED]])
    assert (safe.label, safe.parts["harm"]) == ("safe", label("safe"))
    assert failed.unscored and failed.parts["harm"].unscored


def test_a_guard_of_refusal_and_harm_keeps_both(models):
    (panel,) = guards(models, WILDGUARD)
    assert panel.combine([[guarded("refusal", "safe")]]) == [guarded("refusal", "safe")]


def test_guards_of_one_format_are_a_jury_on_harm_too(models):
    (panel,) = guards(models, WILDGUARD, "toy:wildguard-2", "toy:wildguard-3")
    votes = [guarded("refusal", "safe"), guarded("compliance", "unsafe"), guarded("compliance", "unsafe")]
    found = panel.combine([[vote, guarded("refusal", "safe")] for vote in votes])
    assert [(each.label, each.parts["harm"].label) for each in found] == [("compliance", "unsafe"), ("refusal", "safe")]
    assert panel.agreement(found) == {"wildguard": pytest.approx(alpha([votes_of(each) for each in found]))}


def votes_of(verdict):
    return {name: vote for name, vote in verdict.parts.items() if name != "harm"}
