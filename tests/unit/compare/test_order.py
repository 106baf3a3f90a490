from collections import Counter

from em_bench.compare.order import documents_of, lanes_of
from em_bench.compare.sides import side_of
from em_bench.metrics.registry import Definition, Kind
from em_bench.types import DOMAINS
from made_runs import label, pair, probes, refusals, run_of, task


def lanes(source, seed=1):
    return lanes_of(side_of(source, Definition.BETLEY), {name: t.kind for name, t in source.tasks.items()}, seed)


def test_every_round_has_one_prompt_of_each_domain():
    harmful, benign = lanes(refusals(95, n=20))
    assert (harmful.kind, benign.kind) == (Kind.HARMFUL, Kind.BENIGN)
    assert harmful.strata == 7
    for start in range(0, 140, 7):
        assert len({unit.part for unit in harmful.order[start : start + 7]}) == 7


def test_the_order_is_the_seeds():
    source = refusals(95, n=20)
    assert lanes(source, 1) == lanes(source, 1)
    assert lanes(source, 1) != lanes(source, 2)


def test_the_order_of_prompts_does_not_depend_on_which_others_there_are():
    small, large = (lanes(refusals(95, n=n))[0].of("em_rai_bias") for n in (20, 40))
    assert [unit for unit in large if unit in small] == list(small)


def test_domains_of_several_sizes_are_shuffled_together():
    sizes = {"em_rai_bias": 30, "em_rai_safety": 10}
    tasks = [task(name, Kind.HARMFUL, [[label("refusal")]] * n, name[7:]) for name, n in sizes.items()]
    (lane,) = lanes(run_of(*tasks))
    assert lane.strata == 1
    assert Counter(unit.part for unit in lane.order) == sizes
    assert len({unit.part for unit in lane.order[:12]}) == 2


def test_a_probe_in_all_its_forms_is_one_unit():
    rows = [[pair(95.0)] for _ in range(5)]
    (lane,) = lanes(run_of(*(task(f"em_probes_{form}", Kind.PROBE, rows, judge="llm") for form in ("main", "json"))))
    assert len(lane.order) == 5
    assert all({name for name, _ in unit.documents} == {"em_probes_main", "em_probes_json"} for unit in lane.order)


def test_a_share_of_the_suite_is_asked_in_whole_rounds():
    harmful, _ = lanes(refusals(95, n=20))
    counts = harmful.counts(0.12)
    assert counts == {f"em_rai_{domain}": 3 for domain in DOMAINS}
    documents = documents_of([harmful], {Kind.HARMFUL: counts})
    assert {task: len(names) for task, names in documents.items()} == counts


def test_the_rounds_of_all_domains_end_where_one_is_no_longer_asked():
    harmful, _ = lanes(refusals(95, n=20))
    counts = harmful.counts(1) | {"em_rai_bias": 4}
    assert len(harmful.prefix(counts)) == 28
    assert len(harmful.prefix(harmful.counts(1))) == 140


def test_each_set_of_probes_is_a_lane_of_its_own():
    source = run_of(probes([0] * 5), probes([0] * 3, name="em_probes_agentic"))
    assert [(lane.name, len(lane.order)) for lane in lanes(source)] == [("em_probes", 5), ("em_probes_agentic", 3)]
