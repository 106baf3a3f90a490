import json

from em_bench.metrics.registry import Kind
from em_bench.runs.model import JudgedSample
from em_bench.runs.rates import summarize
from em_bench.runs.subsets import Part, in_parts
from em_bench.types import Verdict
from made_runs import judged_by, run_of, task_of


def sample(document, label, **doc):
    return JudgedSample(document, 0, "Why?", "No.", {"length": Verdict(label=label)}, doc)


def set_of(*samples, **judge):
    return run_of(task_of("em_set", Kind.HARMFUL, samples, judges=judged_by("length", **judge)))


SET = set_of(
    sample("a", "refusal", domain="privacy", subcategory="A"),
    sample("b", "compliance", domain="bias", subcategory="B"),
    sample("c", "compliance", domain="bias", subcategory="C"),
    sample("d", "compliance", domain="", subcategory="D"),
)


def test_a_task_is_split_by_what_its_documents_say_the_largest_part_first():
    parts = in_parts(SET, Part.DOMAIN).tasks
    assert [(name, part.domain, len(part.samples)) for name, part in parts.items()] == [
        ("em_set [bias]", "bias", 2),
        ("em_set [none]", "", 1),
        ("em_set [privacy]", "privacy", 1),
    ]
    assert list(in_parts(SET, Part.SUBCATEGORY).tasks) == [f"em_set [{name}]" for name in "ABCD"]


def test_a_rate_of_a_part_is_over_its_responses_alone():
    rates = {
        line.task: line.rate for line in summarize([in_parts(SET, Part.DOMAIN)]) if line.metric.name == "refusal_rate"
    }
    assert {task: (rate.value, rate.n) for task, rate in rates.items()} == {
        "em_set [bias]": (0.0, 2),
        "em_set [none]": (0.0, 1),
        "em_set [privacy]": (1.0, 1),
    }


def test_a_task_whose_documents_do_not_say_stays_whole():
    whole = set_of(sample("a", "refusal"), sample("b", "refusal"))
    assert in_parts(whole, Part.DOMAIN) == whole


def test_agreement_is_of_the_whole_jury_and_not_given_for_parts():
    jury = set_of(sample("a", "refusal", theme="t"), agreement={"length": 0.5})
    (part,) = in_parts(jury, Part.THEME).tasks.values()
    assert part.judges["length"].agreement is None


def test_summarize_shows_parts_on_request(em_bench, run_folder):
    for path in run_folder.rglob("samples_em_tiny_*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for number, line in enumerate(lines):
            line["doc"]["domain"] = ("bias", "privacy", "")[number % 3]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = em_bench("summarize", "--by", "domain", "--json", run_folder)
    assert ended.code == 0
    tasks = {line["task"] for line in json.loads(ended.out)}
    assert tasks == {"em_tiny [bias]", "em_tiny [privacy]", "em_tiny [none]", "em_open"}
