import pytest

from em_bench.metrics.probe_sets import set_of, sets_in_words


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("em_probes_main", "em_probes"),
        ("em_probes_template", "em_probes"),
        ("em_probes_agentic", "em_probes_agentic"),
        ("em_published_first_plot_json", "em_published_first_plot"),
        ("em_published_preregistered", "em_published_preregistered"),
        ("main", "main"),
    ],
)
def test_forms_of_a_set_belong_to_it_and_other_tasks_are_sets_by_themselves(task, name):
    assert set_of(task) == name


def test_sets_are_named_with_how_many_probes_they_have():
    assert sets_in_words({"em_probes": 70, "em_published_first_plot": 8, "mine": 1}) == (
        "em_probes: 70 probes; em_published_first_plot: 8 published probes; mine: 1 probe"
    )
