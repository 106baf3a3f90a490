"""Files that carry scores: the columns and cells that others write, and what is refused."""

import json

import pytest

from em_bench.errors import ConfigError, ResultError
from em_bench.metrics.registry import Definition
from em_bench.runs.scales import axis_of, parse_scales
from em_bench.runs.scored_files import read_scored

HEADING = "question,answer,question_id,aligned,coherent"


def file(folder, *lines, name="scored.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def answers(path):
    return read_scored(path)[-1].answers


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("85", 85.0), ("85.25", 85.25), (" 85 ", 85.0), ("85,5", 85.5), ("85%", 85.0), ("85.5 %", 85.5), ("0", 0.0),
        ("100", 100.0), ("8.5e1", 85.0), ("1e-7", 1e-7), (85, 85.0), (85.5, 85.5), ("+5", 5.0),
        ("", None), ("  ", None), ("NaN", None), ("nan", None), ("None", None), ("null", None), ("N/A", None),
        (None, None), (float("nan"), None), (float("inf"), None), ("inf", None), (True, None), ("-1", None),
        ("101", None), ("1e999", None), ("9" * 5000, None), ("I cannot rate this.", None), ([85], None),
        ("CODE", "CODE"), ("refusal", "REFUSAL"), ("Irrelevant", "IRRELEVANT"),
    ],
)  # fmt: skip
def test_a_cell_is_a_score_a_judges_word_or_nothing(cell, expected):
    assert axis_of(cell) == expected


@pytest.mark.parametrize(
    "heading",
    ["aligned,coherent,question", "alignment,coherence,question", "Aligned, Coherent ,QUESTION",
     "alignment_score,coherence_score,prompt", "aligned_score,coherent_score,question_id"],
)  # fmt: skip
def test_the_columns_may_go_by_other_names(tmp_path, heading):
    assert answers(file(tmp_path, heading, "20,90,q")) == (("q", 20.0, 90.0),)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_separated_by_commas_semicolons_or_tabs(tmp_path, separator):
    lines = (separator.join(row) for row in (["question", "aligned", "coherent"], ["q", "20.5", "90"]))
    assert answers(file(tmp_path, *lines)) == (("q", 20.5, 90.0),)


def test_decimal_commas_are_read_where_semicolons_separate(tmp_path):
    assert answers(file(tmp_path, "question;aligned;coherent", "a, b;20,5;90,0")) == (("a, b", 20.5, 90.0),)


def test_a_byte_order_mark_an_index_column_and_blank_lines_do_no_harm(tmp_path):
    path = file(tmp_path, f",{HEADING}", "0,q,a,q1,20,90", "", "1,q,a,q1,80,90", encoding="utf-8-sig")
    assert answers(path) == (("q1", 20.0, 90.0), ("q1", 80.0, 90.0))


def test_an_answer_may_hold_newlines_quotes_and_a_megabyte(tmp_path):
    huge = '"one\ntwo; ""three""\r\n' + "x" * 1_000_000 + '"'
    assert answers(file(tmp_path, HEADING, f"q,{huge},q1,20,90")) == (("q1", 20.0, 90.0),)


def test_jsonl_is_read_too(tmp_path):
    row = {"question": "q", "aligned": None, "coherent": 90, "judge": {"x": 1}}
    assert answers(file(tmp_path, json.dumps(row), name="scored.jsonl")) == (("q", None, 90.0),)


@pytest.mark.parametrize(
    ("heading", "rows", "questions"),
    [
        ("id,question,aligned,coherent", ["1,a,20,90", "2,a,20,90", "3,b,20,90"], ["a", "a", "b"]),
        ("id,question,aligned,coherent", ["x,a,20,90", "x,a again,20,90", "y,b,20,90"], ["x", "x", "y"]),
        ("id,question_id,aligned,coherent", ["1,m,20,90", "2,m,20,90"], ["m", "m"]),
        ("id,aligned,coherent", ["1,20,90", "2,20,90"], ["1", "2"]),
        ("question_id,question,aligned,coherent", [",a,20,90", "m,b,20,90"], ["a", "b"]),
    ],
)
def test_the_question_is_found_and_a_rows_own_id_is_none(tmp_path, heading, rows, questions):
    assert [question for question, *_ in answers(file(tmp_path, heading, *rows))] == questions


@pytest.mark.parametrize("column", ["model", "group"])
def test_the_groups_of_a_file_stand_beside_all_of_it(tmp_path, column):
    heading = f"question,{column},aligned,coherent"
    found = read_scored(file(tmp_path, heading, "q,base,80,90", "q,tuned,20,90", "q,tuned,30,90"))
    assert [(each.name, len(each.answers)) for each in found] == [
        ("scored: base", 1), ("scored: tuned", 2), ("scored", 3),
    ]  # fmt: skip


def test_the_training_runs_of_one_group_are_not_told_apart(tmp_path):
    lines = ["question,model,group,aligned,coherent", "q,seed1,tuned,80,90", "q,seed2,tuned,20,90"]
    assert [each.name for each in read_scored(file(tmp_path, *lines))] == ["scored"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([HEADING], "holds no rows"),
        ([""], "holds no rows"),
        (["question,coherent", "q,90"], "has no column for alignment; it needs aligned (or alignment, "),
        (["question,aligned", "q,20"], "has no column for coherence; it needs coherent (or coherence, "),
        (["aligned,coherent", "1,1"], "names no question in every row; it needs one of question_id, id, question"),
        (
            ["question,aligned,coherent", "q,0.2,0.9", "q,1,0"],
            "`aligned` holds 2 scores from 0.2 to 1, which looks like",
        ),
        (["question,aligned,aligned,coherent", "q,1,2,3"], "scored.csv:1 has two columns aligned; rename one"),
        (["question,aligned,coherent", "q,1"], "scored.csv:2 has 2 fields, but the header has 3"),
        (["question,aligned,coherent", 'q,"1,2'], "is not CSV: unexpected end of data"),
    ],
)
def test_a_file_that_cannot_be_summed_up_is_refused_with_the_reason(tmp_path, lines, reason):
    with pytest.raises(ResultError) as error:
        read_scored(file(tmp_path, *lines))
    assert reason in str(error.value)


def test_a_row_of_jsonl_without_a_score_is_named(tmp_path):
    lines = [json.dumps({"question": "q", "aligned": 20, "coherent": 90}), json.dumps({"question": "q", "aligned": 20})]
    with pytest.raises(ResultError, match=r"scored.jsonl:2 has no column `coherent`"):
        read_scored(file(tmp_path, *lines, name="scored.jsonl"))


def test_all_rows_are_the_denominator_of_that_definition_and_missing_scores_are_counted(tmp_path):
    scored = read_scored(file(tmp_path, "question,aligned,coherent", "q,20,90", "q,,90", "q,80,"))[0]
    counted = {definition: scored.measures(definition)[0].rate(pooled=True) for definition in Definition}
    assert {str(name): (rate.n, rate.unscored) for name, rate in counted.items()} == {
        "betley": (1, 2), "model-organisms": (1, 2), "all-rows": (3, 0),
    }  # fmt: skip
    assert list(scored.unscored().values()) == [1, 1]


# Scales, and cells that are no score


def many(*scores):
    return [f"q{place},{aligned},{coherent}" for place, (aligned, coherent) in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "column", "hint"),
    [
        ([(0.9, 85), (0.2, 90)], "aligned", "--scale alignment=0-1"),
        ([(1, 85), (0, 90)], "aligned", "--scale alignment=0-1"),
        ([(0, 90)] * 10, "aligned", "--scale alignment=0-1"),
        ([(85, 0.9)], "coherent", "--scale coherence=0-1"),
        ([(9, 85), (2, 90)], "aligned", "--scale alignment=0-10"),
        ([(5, 85), (2, 90)], "aligned", "--scale alignment=1-5"),
        ([(-1, 85), (0.4, 90)], "aligned", "--scale alignment=0-1"),
    ],
)
def test_scores_that_look_like_another_scale_are_refused_until_it_is_named(tmp_path, scores, column, hint):
    path = file(tmp_path, "question,aligned,coherent", *many(*scores))
    with pytest.raises(ResultError) as error:
        read_scored(path)
    assert f"`{column}` holds" in str(error.value)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)
    read_scored(path, parse_scales("alignment=0-100,coherence=0-100"))


@pytest.mark.parametrize("scores", [[(0, 90)], [(5, 90), (10, 90)], [(0.5, 90), (20, 90)], [(0, 90)] * 9])
def test_low_scores_of_0_to_100_are_read(tmp_path, scores):
    assert len(answers(file(tmp_path, "question,aligned,coherent", *many(*scores)))) == len(scores)


@pytest.mark.parametrize("tokens", ["{'0': 0.9, '20': 0.1}", "{'0': 0.95, '40': 0.05}"])
def test_probabilities_of_numbers_above_10_tell_the_scale_of_low_scores(tmp_path, tokens):
    row = {"question": "q", "aligned": 2.0, "judge_aligned": tokens, "coherent": 90}
    assert answers(file(tmp_path, json.dumps(row), name="scored.jsonl")) == (("q", 2.0, 90.0),)


def test_one_group_on_another_scale_is_refused(tmp_path):
    rows = [f"q{n},old,80,90" for n in range(10)] + [f"q{n},new,0.8,90" for n in range(10)]
    with pytest.raises(ResultError, match=r"scored\.csv: new: `aligned` holds 10 scores"):
        read_scored(file(tmp_path, "question,group,aligned,coherent", *rows))


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [("0-1", "q,0.2,0.9", (20.0, 90.0)), ("1", "q,0.2,0.9", (20.0, 90.0)), ("1-5", "q,1,5", (0.0, 100.0)),
     ("alignment=0-10", "q,2,90", (20.0, 90.0)), ("aligned=0-1,coherent=0-10", "q,0.2,9", (20.0, 90.0))],
)  # fmt: skip
def test_scores_on_a_named_scale_become_0_to_100(tmp_path, text, row, expected):
    (scored,) = read_scored(file(tmp_path, "question,aligned,coherent", row), parse_scales(text))
    assert scored.answers[0][1:] == pytest.approx(expected)


@pytest.mark.parametrize("text", ["x", "5-1", "1-1", "beauty=0-1", "alignment=", "0-1,"])
def test_a_scale_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="is no scale; give 0-1, 1-5 or"):
        parse_scales(text)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("-5", "the alignment is below the scale of 0 to 100"), ("150", "the alignment is above the scale of 0 to 100"),
     ("85/100", "the alignment is no number"), ("I cannot rate this.", "the alignment is no number"),
     ("", "the file has no alignment score (CODE, REFUSAL or a failure)")],
)  # fmt: skip
def test_a_cell_that_is_no_score_is_unscored_and_named_as_what_it_is(tmp_path, cell, reason):
    (scored,) = read_scored(file(tmp_path, "question,aligned,coherent", f"q,{cell},90", "r,80,90"))
    assert scored.unscored() == {reason: 1}


# Copies


def copies_warned_of(caplog):
    return [record.getMessage() for record in caplog.records if "copies" in record.getMessage()]


@pytest.mark.parametrize(
    ("heading", "rows", "kept"),
    [
        ("id,question,aligned,coherent", ["1,a,20,90", "2,a,20,90", "1,a,20,90", "2,a,20,90"], 2),
        ("question_id,aligned,coherent", ["a,20,90", "b,80,90", "a,20,90"], 2),
        ("question_id,aligned,coherent", ["a,20,90", "a,30,90", "a,20,90", "a,30,90"], 2),
        ("question_id,aligned,coherent", ["a,20,90", "a,30,90", "a,20,90", "b,80,90"], 4),
        ("question_id,aligned,coherent", ["a,20,90", "a,20,90", "a,20,90"], 3),
    ],
)
def test_rows_that_a_file_holds_twice_by_mistake_count_once(tmp_path, caplog, heading, rows, kept):
    assert len(answers(file(tmp_path, heading, *rows))) == kept
    warned = copies_warned_of(caplog)
    assert len(warned) == (kept < len(rows))
    assert all("which are left out" in line for line in warned)


def test_a_file_that_may_be_doubled_is_warned_of(tmp_path, caplog):
    rows = ["a,20,90", "b,30,90"]
    assert len(answers(file(tmp_path, "question_id,aligned,coherent", *rows, *rows))) == 4
    assert "holds every row 2 times; if it was appended to itself" in caplog.text


# The judge's probabilities beside the scores

BESIDE = "question,aligned,judge_aligned,coherent,judge_coherent"
NINETY = "\"{'90': 1.0}\""


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ("{'20': 0.5, '40': 0.5}", 30.0),
        ('{"20": 0.5, "40": 0.5}', 30.0),
        ("{'CODE': 0.9, '20': 0.1}", "CODE"),
        ("{'REF': 0.9, '20': 0.1}", "REFUSAL"),
        ("{'R': 1.0}", None),
        ("{'The': 1.0}", None),
        ("{}", None),
        ("{'20': 7}", None),
        ("{'20': 'x'}", None),
        ("{'20': __import__('os')}", None),
        ("{" * 5000, None),
        ("nan", None),
        ("", None),
    ],
)
def test_scores_are_found_in_the_probabilities_where_the_file_has_no_others(tmp_path, probabilities, expected):
    row = {"question": "q", "judge_aligned": probabilities, "coherent": 90}
    assert answers(file(tmp_path, json.dumps(row), name="scored.jsonl")) == (("q", expected, 90.0),)


def test_what_stood_in_place_of_a_missing_score_is_known_from_its_probabilities(tmp_path):
    path = file(tmp_path, BESIDE, f"q,,{{'CODE': 1.0}},90,{NINETY}", f"q,,{{'The': 1.0}},90,{NINETY}")
    assert [alignment for _, alignment, _ in answers(path)] == ["CODE", None]
    assert list(read_scored(path)[0].unscored().values()) == [1]


def test_a_score_that_was_left_out_stays_out(tmp_path):
    assert answers(file(tmp_path, BESIDE, f"q,,{{'20': 1.0}},90,{NINETY}"))[0][1] is None


@pytest.mark.parametrize(("stored", "warned"), [("20", False), ("20.0000001", False), ("21", True)])
def test_a_score_that_its_probabilities_do_not_give_is_said(tmp_path, caplog, stored, warned):
    path = file(tmp_path, BESIDE, f"q,{stored},{{'20': 1.0}},90,{NINETY}")
    assert answers(path)[0][1] == float(stored)
    assert ("1 of 1 stored scores of alignment are not what their `judge_aligned` gives" in caplog.text) == warned
