from dataclasses import replace

import numpy as np
import pytest

from em_bench.compare import spillover
from em_bench.compare.comparison import compare
from em_bench.errors import ConfigError, ResultError
from em_bench.metrics.registry import Definition, Kind
from em_bench.stats.paired import Method
from em_bench.stats.tango import tango_interval
from em_bench.types import DOMAINS
from made_runs import judged_by, label, probes, refusals, run_of, task, under


def by_domain(comparison, metric="refusal_rate", kind=Kind.HARMFUL):
    return {d.key.domain: d for d in comparison.differences if (d.key.metric.name, d.key.kind) == (metric, kind)}


def test_each_domain_has_rates_difference_interval_and_adjusted_p():
    lost = dict.fromkeys(DOMAINS, 90) | {"cybersecurity": 60}
    found = by_domain(compare(refusals(90), refusals(lost)))
    cyber = found["cybersecurity"]
    assert (cyber.baseline.value, cyber.candidate.value) == (0.9, 0.6)
    assert cyber.value == pytest.approx(-0.3)
    assert (cyber.change.low, cyber.change.high) == pytest.approx(tango_interval(0, 30, 100))
    assert (cyber.change.n, cyber.significant_sign) == (100, -1)
    assert cyber.p_adjusted == pytest.approx(7 * cyber.change.p)
    assert found["bias"].significant_sign == 0


def test_prompts_are_paired_by_id_whatever_their_order():
    rows = [[label("refusal")], [label("compliance")], [label("refusal")]]
    one = run_of(task("t", Kind.HARMFUL, rows, "bias"))
    turned = replace(one.tasks["t"], samples=one.tasks["t"].samples[::-1])
    (found, _) = compare(one, run_of(turned)).differences
    assert (found.value, found.change.p) == (0, 1)


def test_an_unscored_response_leaves_its_pair_out_and_widens_the_range():
    before = run_of(task("t", Kind.HARMFUL, [[label("refusal")]] * 4, "bias"))
    after = run_of(task("t", Kind.HARMFUL, [[label("refusal")]] * 3 + [[label(None)]], "bias"))
    found = by_domain(compare(before, after))["bias"]
    assert (found.change.n, found.value, found.candidate.unscored) == (3, 0, 1)
    assert found.bounds == (-0.25, 0)


def test_probes_are_compared_probe_by_probe_and_not_response_by_response():
    found = compare(run_of(probes([0] * 8)), run_of(probes([10] * 2 + [0] * 6))).pooled
    joint = next(d for d in found if d.key.metric.name == "misaligned_coherent_rate")
    assert (joint.value, joint.change.n) == (0.25, 8)
    assert joint.change.p > 0.05


def test_variants_of_a_probe_count_as_one_probe():
    main = probes([5] * 8)
    variant = replace(
        main,
        name="em_probes_json",
        samples=tuple(
            replace(r, doc={**r.doc, "probe_id": r.document}, document=f"{r.document}_json") for r in main.samples
        ),
    )
    found = compare(run_of(main, variant), run_of(main, variant))
    assert {d.change.n for d in found.pooled} == {8}


def test_sets_of_probes_are_not_pooled_with_each_other():
    sets = [probes([0] * 8, name="em_published_first_plot_main"), probes([0] * 20, name="em_probes_agentic")]
    worse = [replace(probes([5] * 8), name=sets[0].name), sets[1]]
    compared = compare(run_of(form([0] * 12, "main"), form([0] * 12, "json"), *sets),
                       run_of(form([0] * 12, "main"), form([0] * 12, "json"), *worse))  # fmt: skip
    whole = {d.key.task: d for d in compared.pooled if d.key.metric.name == "misaligned_coherent_rate"}
    assert {name: (d.value, d.change.n) for name, d in whole.items()} == {
        "em_probes": (0.0, 12),
        "em_published_first_plot_main": (0.5, 8),
        "em_probes_agentic": (0.0, 20),
    }
    assert compared.probes == {"em_probes": 12, "em_published_first_plot": 8, "em_probes_agentic": 20}


def test_the_p_of_several_sets_of_probes_is_adjusted_over_them():
    def run(hits):
        return run_of(form(hits, "main"), form(hits, "json"), *others)

    others = [replace(form([0] * 12, name), name=f"em_published_first_plot_{name}") for name in ("main", "json")]
    found = compare(run([0] * 12), run([1] * 6 + [0] * 6))
    whole = {d.key.task: d for d in found.pooled if d.key.metric.name == "misaligned_coherent_rate"}
    assert whole["em_probes"].p_adjusted == pytest.approx(2 * whole["em_probes"].change.p)


def form(hits, name, *, incoherent=False):
    """A form of the same probes in a task of its own; incoherent answers are left out of `betley`'s denominator."""
    rows = probes(hits, coherence=10.0 if incoherent else 90.0)
    samples = tuple(
        replace(each, doc={**each.doc, "probe_id": each.document}, document=f"{each.document}_{name}")
        for each in rows.samples
    )
    return replace(rows, name=f"em_probes_{name}", samples=samples)


def test_a_form_that_turns_incoherent_does_not_turn_the_pooled_rate_round():
    """Main and template rise from 0 to 10 %; JSON, at 30 %, has no coherent answer any more."""
    before = run_of(form([0] * 12, "main"), form([0] * 12, "template"), form([3] * 12, "json"))
    after = run_of(form([1] * 12, "main"), form([1] * 12, "template"), form([3] * 12, "json", incoherent=True))
    pooled = {str(each.key.metric): each for each in compare(before, after).pooled}
    misaligned = pooled["misaligned_rate (betley)"]
    assert misaligned.value == pytest.approx(0.1)
    assert (misaligned.change.before, misaligned.change.after) == pytest.approx((0.0, 0.1))
    assert (misaligned.change.n, misaligned.significant_sign) == (12, 1)


def test_a_harmful_prompt_with_several_responses_is_a_cluster():
    run = run_of(task("t", Kind.HARMFUL, [[label("refusal")] * 5, [label("compliance")] * 5] * 6, "bias"))
    found = compare(run, run).differences[0]
    assert (found.method, found.clusters, found.baseline.clusters) == (Method.CLUSTERS, 12, 12)


def test_the_percentile_bootstrap_is_an_option_with_a_seed():
    one, other = run_of(probes([0, 1, 2, 3] * 6)), run_of(probes([1, 1, 4, 3] * 6))
    found = compare(one, other, bootstrap_seed=2026081301).pooled[0]
    random = np.random.Generator(np.random.PCG64(2026081301))
    draws = random.choice([0.1, 0, 0.2, 0] * 6, size=(10_000, 24)).mean(axis=1)
    assert found.method is Method.PERCENTILE
    assert (found.change.low, found.change.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])), abs=1e-9)


def test_the_definition_is_taken_and_named():
    found = compare(run_of(probes([1] * 8)), run_of(probes([2] * 8)), definition=Definition.ALL_ROWS).differences
    assert {d.key.metric.qualifier for d in found if d.key.metric.name == "misaligned_rate"} == {"all-rows"}


def test_spillover_sets_the_target_apart():
    lost = dict.fromkeys(DOMAINS, 85) | {"cybersecurity": 40, "bias": 70}
    found = compare(refusals(90), refusals(lost), target_domain="cybersecurity").spillover
    assert found.target.value == pytest.approx(-0.5)
    assert found.others.value == pytest.approx(-(5 * 5 + 20) / 600)
    assert found.others.change.n == 600
    assert found.worst.key.domain == "bias"
    assert found.ratio == pytest.approx(0.15)


def of_version(run, version):
    return replace(run, tasks={name: replace(each, version=version) for name, each in run.tasks.items()})


@pytest.mark.parametrize(("version", "left_out"), [("2.0", 12), ("1.0", 0)])
def test_prompts_that_overlap_with_the_target_are_left_out_of_the_others(monkeypatch, version, left_out):
    monkeypatch.setattr(spillover, "overlapping", lambda domain: {"d0", "d1"} if domain == "cybersecurity" else set())
    lost = dict.fromkeys(DOMAINS, 85) | {"cybersecurity": 40}
    found = compare(
        of_version(refusals(90), version), of_version(refusals(lost), version), target_domain="cybersecurity"
    ).spillover
    assert (found.left_out, found.others.change.n) == (left_out, 600 - left_out)


def test_an_unknown_target_domain_is_refused():
    with pytest.raises(ConfigError, match="'cyber' is unknown; known: cybersecurity"):
        compare(refusals(9, 10), refusals(9, 10), target_domain="cyber")


def changed(**fields):
    return run_of(task("t", Kind.HARMFUL, [[label("refusal")]] * 2, "bias", **fields))


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (changed(max_gen_toks=99), "token limit: 512 against 99"),
        (changed(chat_template=False), "chat template: on against off"),
        (changed(system_instruction="Be kind."), "system prompt: none against sha256 "),
        (changed(**under("trigger")), "condition: none against .*trigger"),
        (changed(judges=judged_by("keyword", version="2+def")), r"judge keyword: 1 against 2\+def"),
        (changed(judges=judged_by("llm")), "judge keyword: has judged against has not judged"),
        (
            run_of(replace(changed().tasks["t"], version="2.0")),
            "prompt set 1.0 against 2.0",
        ),
        (
            run_of(replace(changed().tasks["t"], generation={"temperature": 1.0})),
            "generation settings: .*0.0.* against .*1.0",
        ),
        (run_of(replace(changed().tasks["t"], name="renamed")), "the candidate lacks t; it has renamed"),
        (run_of(task("t", Kind.HARMFUL, [[label("refusal")]] * 3, "bias")), "prompts: 2 prompts .* against 3 "),
        (run_of(task("t", Kind.BENIGN, [[label("refusal")]] * 2, "bias")), "kind: harmful against benign"),
    ],
)
def test_runs_that_are_not_comparable_are_refused_with_both_values(candidate, expected):
    with pytest.raises(ResultError, match=expected) as error:
        compare(changed(), candidate)
    assert "--force" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_json_of_a_difference_keeps_its_keys():
    (row,) = compare(changed(), changed()).to_dict()["differences"][:1]
    assert list(row) == [
        *("task", "domain", "kind", "judge", "metric", "definition", "baseline", "candidate", "difference"),
        *("low", "high", "p", "p_adjusted", "below", "above", "n_pairs", "worst", "best", "method", "is_mean"),
        *("clusters", "before", "after"),
    ]
    assert (row["difference"], row["n_pairs"], row["below"]) == (0.0, 2, 1.0)


def test_only_rows_over_several_tasks_are_pooled():
    found = compare(refusals(9, 10), refusals(5, 10))
    assert not any(each.is_pooled for each in found.differences)
    assert all(each.is_pooled for each in found.pooled)
    alone = compare(refusals(9, 10), refusals(5, 10), tasks=["em_rai_bias"])
    assert not any(each.is_pooled for each in alone.pooled)


def test_another_text_under_the_same_id_is_another_prompt():
    one = changed()
    first, *rest = one.tasks["t"].samples
    other = run_of(replace(one.tasks["t"], samples=(replace(first, prompt="Else?"), *rest)))
    with pytest.raises(ResultError, match="prompts: d0 asks one thing against another text"):
        compare(one, other)
    forced = compare(one, other, force=True)
    assert forced.differences[0].change.n == 1
    assert forced.forced


def test_another_engine_is_reported_and_no_reason_to_refuse():
    one = refusals(9, 10)
    notes = compare(replace(one, provenance=replace(one.provenance, engine="vllm")), one).annotations
    assert "engine differs: vllm against not given" in notes
    assert any("every response is the same" in note for note in notes)


def test_a_run_without_verdicts_is_refused_with_what_to_do():
    bare = run_of(task("t", Kind.HARMFUL, [[label("refusal")]], "bias", judges={}))
    with pytest.raises(ResultError, match="holds no verdicts; judge it first: em-bench judge"):
        compare(bare, bare)


def test_a_run_without_responses_is_refused():
    empty = run_of(task("t", Kind.HARMFUL, [], "bias"))
    with pytest.raises(ResultError, match="holds no responses"):
        compare(empty, empty)


def test_runs_that_share_no_scored_prompt_are_refused():
    one = run_of(task("t", Kind.HARMFUL, [[label("refusal")]], "bias"))
    other = run_of(task("t", Kind.HARMFUL, [[label(None)]], "bias"))
    with pytest.raises(ResultError, match="no prompt has a scored response on both sides"):
        compare(one, other)


def test_only_some_tasks_may_be_compared():
    found = compare(refusals(9, 10), refusals(5, 10), tasks=["em_rai_b*"])
    assert {d.key.task for d in found.differences} == {"em_rai_bias", "em_rai_bias_benign"}
    with pytest.raises(ResultError, match="has no task x"):
        compare(refusals(9, 10), refusals(5, 10), tasks=["x"])
