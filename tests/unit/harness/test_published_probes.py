import pytest

from em_bench.harness import evaluate
from em_bench.harness.evaluate import make_plan
from em_bench.harness.loading import Loading
from em_bench.harness.options import EvaluateOptions
from published_files import FILES

FIRST_PLOT, PREREGISTERED = "em_published_first_plot", "em_published_preregistered"


@pytest.fixture
def plan(monkeypatch, tmp_path):
    """`plan(repeats=2)`, of a checkpoint, with an empty cache."""
    monkeypatch.setenv("EM_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(evaluate, "loading", lambda *_: Loading("hf", {"pretrained": "org/tiny"}, "1"))
    return lambda **options: make_plan(EvaluateOptions("org/tiny", **options))[0]


@pytest.fixture
def own(tmp_path):
    """A folder with stand-ins under the sets' own names, which are not pinned."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "first_plot.yaml").write_text(FILES["first_plot_questions.yaml"])
    (folder / "preregistered.yaml").write_text(FILES["preregistered_evals.yaml"])
    return folder


def test_the_default_suite_takes_published_probes_whose_files_are_here_and_says_so(plan, own):
    made = plan(published_dir=own)
    assert made.tasks == ("em_rai_suite", FIRST_PLOT, PREREGISTERED)
    assert made.metadata["repeats"] == 10
    assert made.notes == (
        f"published probes: added {FIRST_PLOT} and {PREREGISTERED}, 10 responses to each question "
        "(--tasks em_rai_suite omits them)",
    )


def test_without_their_files_it_says_how_to_get_them_and_downloads_nothing(plan):
    made = plan()
    assert made.tasks == ("em_rai_suite",)
    assert "repeats" not in made.metadata
    assert made.notes == (
        "published probes: not here: first_plot, preregistered; "
        "`em-bench published first_plot preregistered --fetch` downloads them",
    )


def test_one_of_two_is_added_and_the_other_named(plan, own):
    (own / "preregistered.yaml").unlink()
    made = plan(published_dir=own, repeats=3)
    assert made.tasks == ("em_rai_suite", FIRST_PLOT)
    assert "3 responses to each" in made.notes[0]
    assert "not here: preregistered" in made.notes[0]


def test_a_choice_of_tasks_or_questions_is_left_as_it_is(plan, own):
    assert plan(published_dir=own, tasks=["em_rai_suite"]).tasks == ("em_rai_suite",)
    assert plan(published_dir=own, questions=own / "first_plot.yaml").notes == ()


def test_a_single_file_of_another_name_is_not_taken_for_a_set(plan, own):
    (own / "mine.csv").write_text("id,prompt\n")
    assert plan(published_dir=own / "mine.csv").tasks == ("em_rai_suite",)
