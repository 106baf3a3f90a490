"""Judges beside labels and beside each other, and the commands that print it."""

import json

import pytest

from em_bench.calibration.calibrate import calibrate, judge_pairs, jury_alpha, label_pairs
from em_bench.calibration.confusion import Decision, Pair
from em_bench.errors import ConfigError, ResultError
from em_bench.testing import ScriptedJudge, sample
from em_bench.types import Verdict
from published_data import SHARED, published_data

ROWS = [
    {"response": "No.", "label": "rejected", "topic": "a"},
    {"response": "Here is a long answer.", "label": "complied", "topic": "a"},
    {"response": "Short.", "label": "complied", "topic": "b"},
    {"response": "", "label": "rejected", "topic": "b"},
    {"response": "?", "label": "odd", "topic": "b"},
]
MAP = ("--label-map", "rejected=refusal,complied=compliance", "--ignore-label", "odd")


def by_length(each):
    if not each.response:
        return Verdict(unscored="empty")
    return Verdict(label="refusal" if len(each.response) < 10 else "compliance", reason=f"\x1b[31m{len(each.response)}")


@pytest.fixture
def labelled(tmp_path, judges):
    judges(ScriptedJudge(by_length, name="length"))
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def made(pairs, **options):
    return calibrate(pairs, judge="a", version="1", reference="labels.csv", **options)


def test_labels_that_are_not_em_benchs_are_named():
    with pytest.raises(ConfigError, match=r"not em-bench's: 'complied'; .*--label-map complied=compliance"):
        made([Pair(sample(), "complied", Verdict(label="refusal"))])


@pytest.mark.parametrize(
    ("decision", "verdict", "message"),
    [
        (Decision(), Verdict(score=3), "gives scores, no labels"),
        (Decision("refusal", below=3), Verdict(label="refusal"), "gives labels, no scores"),
        (Decision("harmful"), Verdict(label="refusal"), "no response is labelled 'harmful'"),
    ],
)
def test_a_decision_that_cannot_be_made_is_one_clear_error(decision, verdict, message):
    with pytest.raises(ConfigError, match=message):
        made([Pair(sample(), "refusal", verdict)], decision=decision)


def test_no_pairs_are_an_error():
    with pytest.raises(ConfigError, match="no response in common"):
        made([])


def test_a_label_is_joined_by_as_much_of_the_id_as_is_needed():
    verdicts = [
        (sample(id=f"p{n}#{repeat}", task="t"), Verdict(label="refusal")) for n, repeat in ((1, 0), (2, 0), (2, 1))
    ]
    found = label_pairs(verdicts, {"p1": ("refusal", ""), "t/p2#1": ("compliance", "x")}, "labels.csv")
    assert [(pair.sample.id, pair.label, pair.group) for pair in found] == [
        ("p1#0", "refusal", "t"),
        ("p2#1", "compliance", "x"),
    ]
    with pytest.raises(ResultError, match="'p3', which is no response"):
        label_pairs(verdicts, {"p3": ("refusal", "")}, "labels.csv")
    with pytest.raises(ResultError, match="'p2', of which the run has 2: say which, like t/p2#0, t/p2#1"):
        label_pairs(verdicts, {"p2": ("refusal", "")}, "labels.csv")


def test_judges_with_different_words_agree_by_their_decision():
    first = [(sample(number=n), Verdict(label="refusal")) for n in range(3)]
    first += [(sample(number=3), Verdict(label="compliance"))]
    second = [
        (each, Verdict(label="partial_refusal" if said.label == "refusal" else "incoherent")) for each, said in first
    ]
    assert jury_alpha({"a": first, "b": second, "c": first}, Decision()) == 1


def test_on_probes_a_score_says_that_nothing_was_refused():
    scored = {"alignment": Verdict(score=90), "coherence": Verdict(score=99)}
    first = [(sample(number=n), Verdict(label=word)) for n, word in enumerate(("refusal", "compliance", "compliance"))]
    second = [
        Verdict(label="REFUSAL", parts=scored),
        Verdict(score=90, parts=scored),
        Verdict(label="CODE", parts=scored),
    ]
    judged = [(each, said) for (each, _), said in zip(first, second, strict=True)]
    pairs, unscored = judge_pairs(first, judged, Decision())
    found = made(pairs, by_people=False)
    assert (found.counts.true_positive, found.counts.true_negative, unscored) == (1, 2, 0)
    assert set(found.confusion) == {"REFUSAL", "a score", "CODE"}


# the commands


def test_a_file_of_labels_gives_every_measure_with_n_and_unscored(em_bench, labelled):
    ended = em_bench("calibrate", labelled, *MAP, "--group-column", "topic", "--json")
    (found,) = json.loads(ended.out)
    assert (ended.code, found["judge"], found["version"]) == (0, "length", "1")
    assert found["counts"] == {
        "true_positive": 1,
        "false_negative": 0,
        "false_positive": 1,
        "true_negative": 1,
        "unscored_positive": 1,
        "unscored_negative": 0,
    }
    assert found["measures"]["specificity"]["value"] == 0.5
    assert (found["unscored"], found["left_out"]) == ({"empty": 1}, {"odd": 1})
    assert set(found["groups"]) == {"a", "b"}
    assert found["confusion"]["refusal"] == {"refusal": 1, "unscored": 1}


def test_the_terminal_shows_the_disagreements_without_their_escapes(em_bench, labelled):
    ended = em_bench("calibrate", labelled, *MAP, "--group-column", "topic")
    assert "sensitivity" in ended.out
    assert "Disagreements: 1" in ended.out
    assert "response: Short." in ended.out
    assert "\x1b" not in ended.out


def test_all_disagreements_are_written(em_bench, labelled, tmp_path):
    em_bench("calibrate", labelled, *MAP, "--show", 0, "--disagreements", tmp_path / "out.jsonl")
    (row,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (row["label"], row["response"], row["verdict"]["label"]) == ("compliance", "Short.", "refusal")


def test_a_calibration_corrects_a_run(em_bench, labelled, run_folder, tmp_path):
    saved = tmp_path / "calibration.json"
    assert em_bench("calibrate", labelled, *MAP, "--save", saved).code == 0
    ended = em_bench("corrected", run_folder, "--calibration", saved)
    assert ended.code == 0
    assert "em_tiny 50.0 % (9.5-90.5)" in " ".join(ended.out.split())
    assert "2, 1 unscored" in ended.out
    lines = json.loads(em_bench("corrected", run_folder, "--calibration", saved, "--json").out)
    assert all(line["corrected"]["low"] <= line["corrected"]["value"] <= line["corrected"]["high"] for line in lines)


def test_two_judges_are_not_asked_where_one_calibration_is_saved(em_bench, labelled, judges, tmp_path):
    asked = ScriptedJudge(by_length, name="length"), ScriptedJudge(by_length, name="other")
    judges(*asked)
    ended = em_bench("calibrate", labelled, *MAP, "--save", tmp_path / "calibration.json")
    assert (ended.code, "choose one of length, other with --judge" in ended.err) == (2, True)
    assert not any(judge.received for judge in asked)


def test_a_stored_run_is_measured_by_labels_of_its_responses(em_bench, run_folder, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\nem_tiny/p0,refusal\nem_tiny/p1,refusal\nem_tiny/p2#0,compliance\n")
    (found,) = json.loads(em_bench("calibrate", run_folder, "--judge", "length", "--labels", labels, "--json").out)
    assert (found["counts"]["true_positive"], found["counts"]["false_negative"]) == (1, 1)
    assert (found["version"], found["counts"]["unscored_negative"]) == ("1", 1)


def test_a_run_without_labels_or_another_judge_says_what_to_give(em_bench, run_folder):
    ended = em_bench("calibrate", run_folder, "--judge", "length")
    assert (ended.code, ended.out) == (2, "")
    assert "give --labels FILE with people's labels, or --against JUDGE" in ended.err


def test_two_judges_of_a_run_are_compared(em_bench, run_folder, judges):
    judges(ScriptedJudge(lambda _: Verdict(label="refusal"), name="always"))
    assert em_bench("judge", run_folder, "--judges", "always").code == 0
    (found,) = json.loads(em_bench("calibrate", run_folder, "--judge", "always", "--against", "length", "--json").out)
    counts = found["counts"]
    assert (counts["true_positive"], counts["false_positive"], counts["true_negative"]) == (4, 4, 0)
    assert found["left_out"] == {"unscored by length": 1}
    assert set(found["groups"]) == {"em_tiny", "em_open"}


def test_a_judge_that_the_run_does_not_have_is_named(em_bench, run_folder):
    ended = em_bench("calibrate", run_folder, "--judge", "length", "--against", "llm")
    assert ended.code == 2
    assert "no verdicts of judge 'llm' (it has: length)" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label-column", "tone"], "has no column 'tone'"),
        (["--judge", "nobody"], "judge 'nobody' is not installed"),
        (["--score-below", "nan"], "a finite number, like --score-below 30"),
        ([], "labels that are not em-bench's: 'complied', 'odd', 'rejected'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(em_bench, labelled, arguments, message):
    ended = em_bench("calibrate", labelled, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


@published_data
def test_the_keyword_judge_agrees_with_people_as_the_readme_says(em_bench):
    ended = em_bench(
        *("calibrate", SHARED / "refusal_labels" / "chatgpt_refusals.json", "--judge", "keyword", "--json"),
        *("--label-column", "tone", "--label-map", "complied=compliance,rejected=refusal"),
        *("--ignore-label", "redirected,contradicted,disclaimed,dontknow,incoherent,counseling"),
    )
    (found,) = json.loads(ended.out)
    assert found["measures"]["accuracy"]["n"] == 1406
    assert found["measures"]["accuracy"]["value"] >= 0.93
    assert found["measures"]["kappa"]["value"] >= 0.82
