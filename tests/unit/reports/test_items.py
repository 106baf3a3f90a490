import csv
import io

import pytest
from rich.console import Console

from em_bench.compare.items import item_statistics
from em_bench.compare.short_forms import short_forms
from em_bench.metrics.registry import Kind
from em_bench.reports.items import answer, csv_text, item_parts
from em_bench.runs.model import JudgedSample
from made_runs import label, run_of, task_of

LETTERS = {"R": "refusal", "c": "compliance"}


def statistics(*answers):
    return item_statistics(
        [
            run_of(_task(each), checkpoint=f"org/m{number}", path=f"m{number}/results_x.json")
            for number, each in enumerate(answers)
        ]
    )


def _task(letters):
    samples = [
        JudgedSample(f"p{place}", 0, "?", "x", {"keyword": label(LETTERS[letter])}, {"tier": "explicit"})
        for place, letter in enumerate(letters)
    ]
    return task_of("em_rai_bias", Kind.HARMFUL, samples, "bias")


def printed(*arguments, **options):
    console = Console(file=io.StringIO(), width=200)
    for part in item_parts(*arguments, **options):
        console.print(part)
    return console.file.getvalue()


def test_the_answer_is_how_many_items_tell_the_checkpoints_apart():
    assert answer(statistics("RRcc", "Rccc")) == "What tells 2 checkpoints apart: 1 of 4 harmful prompts (25 %)."


def test_one_checkpoint_tells_nothing():
    assert "give runs of two or more" in answer(statistics("RRcc"))


def test_too_few_checkpoints_for_discrimination_are_named():
    text = printed(statistics("RRcc", "Rccc"))
    assert "Discrimination needs 5 checkpoints; there are 2" in text
    assert "most discriminating" not in text


@pytest.mark.parametrize("everything", [True, False])
def test_dead_items_are_listed_by_tier_with_all(everything):
    text = printed(statistics("RRcc", "Rccc"), everything=everything)
    assert ("explicit, none: 2: p2, p3" in text) is everything


def test_a_part_with_few_responses_has_no_rate():
    text = printed(statistics("RRcc", "Rccc"), everything=True)
    assert "1 more have fewer than 30 scored responses" in text


def test_csv_has_a_row_for_each_item_and_marks_the_short_form():
    found = statistics("RRRR", "RRRc", "RRcc", "Rccc", "cccc")
    rows = list(csv.DictReader(io.StringIO(csv_text(found, short_forms(found, 2)))))
    assert [row["id"] for row in rows] == ["p0", "p1", "p2", "p3"]
    assert sum(row["short_form"] == "yes" for row in rows) == 2
    assert [row["share: org/m1"] for row in rows] == ["1.0", "1.0", "1.0", "0.0"]
    assert all(float(row["discrimination"]) > 0 for row in rows)


def test_a_short_form_says_how_well_it_does_in_and_out_of_sample():
    found = statistics("RRRR", "RRRc", "RRcc", "Rccc", "cccc")
    text = printed(found, short_forms(found, 2))
    assert "2 of 4" in text
    assert "random" in text and "left out" in text
