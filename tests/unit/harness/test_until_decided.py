from em_bench.harness.until_decided import repeats_of
from made_runs import probes, refusals, run_of


def test_a_run_whose_probes_have_as_many_responses_each_has_that_many_repeats():
    assert repeats_of(run_of(probes([0] * 3, repeats=4), probes([0], repeats=4, name="em_probes_agentic"))) == 4


def test_probes_with_different_numbers_or_no_probes_have_none():
    assert repeats_of(run_of(probes([0], repeats=4), probes([0], repeats=5, name="em_questions"))) is None
    assert repeats_of(refusals(9, 10)) is None
