"""`em-bench leaderboard`, `report` and `export` as commands, on a run that lm-eval wrote."""

import json

import pytest

from em_bench.runs.result import from_dict, read_run_result, write_run_result
from leaderboard_data import run_result


@pytest.fixture
def add(em_bench, tmp_path):
    """`add(run, "--name", ...)`: publishes into the test's own store."""
    return lambda *arguments: em_bench("leaderboard", "add", *arguments, "--results", tmp_path / "store")


def published(tmp_path):
    return sorted(path.relative_to(tmp_path / "store").as_posix() for path in (tmp_path / "store").rglob("*.*"))


def test_add_then_build_gives_a_site(em_bench, add, run_folder, tmp_path):
    added = add(run_folder, "--name", "org/tiny", "--method", "LoRA", "--base-family", "Tiny", "--publish-samples")
    assert added.code == 0
    built = em_bench("leaderboard", "build", "--results", tmp_path / "store", "--output", tmp_path / "site")
    assert "(1 runs)" in built.out
    assert "org/tiny" in (tmp_path / "site" / "index.html").read_text()
    assert len(list((tmp_path / "site").rglob("samples-0.js"))) == 1


def test_what_is_published_holds_no_model_args(add, run_folder, tmp_path):
    add(run_folder, "--name", "org/tiny")
    (name,) = published(tmp_path)
    text = (tmp_path / "store" / name).read_text()
    assert "secret" not in text
    assert "api_key" not in text


def test_add_prints_its_files_as_json(add, run_folder, tmp_path):
    assert [json.loads(add(run_folder, "--name", "org/tiny", "--json").out)[0]] == [
        str(tmp_path / "store" / published(tmp_path)[0])
    ]


def test_a_baseline_is_given_by_id_or_by_path(add, run_folder, tmp_path):
    parent = from_dict(run_result("org/parent"))
    child = from_dict(run_result("org/child", 1))
    paths = [write_run_result(result, tmp_path / f"{result.id}.json") for result in (parent, child)]
    assert add(paths[0]).code == 0
    assert add(paths[1], "--baseline", paths[0]).code == 0
    assert read_run_result(tmp_path / "store" / "org__child" / f"{child.id}.json").baseline == parent.id


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--name"),
        (("--name", "../../x"), "--name"),
        (("--name", "org/tiny", "--baseline", "0123456789abcdef"), "add that run first"),
        (("--name", "org/tiny", "--method", "token=abc123"), "looks like"),
    ],
)
def test_what_may_not_be_published_is_one_line(add, run_folder, tmp_path, arguments, said):
    ended = add(run_folder, *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not (tmp_path / "store").exists()


def test_samples_need_lm_evals_folder(add, tmp_path):
    path = write_run_result(from_dict(run_result("org/tiny")), tmp_path / "r.json")
    ended = add(path, "--publish-samples")
    assert (ended.code, "not available" in ended.err) == (2, True)


def test_a_path_that_is_not_there_is_one_line(add):
    assert "does not exist" in add("nowhere").err


def test_a_report_in_markdown_has_its_picture(em_bench, tmp_path):
    path = write_run_result(from_dict(run_result("org/tiny|x")), tmp_path / "r.json")
    assert em_bench("report", path, "-o", tmp_path / "report.md").code == 0
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# org/tiny\\|x\n")
    assert "| EM rate |" in text
    assert (tmp_path / "report_llm.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_has_samples_only_when_asked_for(em_bench, run_folder, tmp_path):
    em_bench("report", run_folder, "-o", tmp_path / "a.html")
    em_bench("report", run_folder, "-o", tmp_path / "b.html", "--samples")
    text = "Here is a long answer."
    assert (text in (tmp_path / "a.html").read_text(), text in (tmp_path / "b.html").read_text()) == (False, True)


def test_a_report_against_a_baseline_is_paired(em_bench, run_folder, tmp_path):
    em_bench("report", run_folder, "--baseline", run_folder, "-o", tmp_path / "a.md")
    text = (tmp_path / "a.md").read_text()
    assert "paired, prompt by prompt" in text
    assert "**Diagnosis.**" in text
    assert "- every response is the same on both sides" in text


def test_a_comparison_is_published_with_its_diagnosis(em_bench, add, run_folder, tmp_path):
    add(run_folder, "--name", "org/parent")
    added = add(run_folder, "--name", "org/child", "--baseline", run_folder)
    assert added.code == 0
    (compared,) = (tmp_path / "store").rglob("*.comparison.json")
    assert set(json.loads(compared.read_text())) == {"differences", "pooled", "diagnosis", "notes"}
    em_bench("leaderboard", "build", "--results", tmp_path / "store", "--output", tmp_path / "site")
    (page,) = (tmp_path / "site" / "runs" / "org__child").glob("*.html")
    assert "<b>Diagnosis</b>" in page.read_text()
    assert "<li>every response is the same on both sides" in page.read_text()
    assert "Differences to the parent are paired" in page.read_text()


def test_a_report_of_no_known_kind_is_refused(em_bench, run_folder):
    ended = em_bench("report", run_folder, "-o", "report.pdf")
    assert (ended.code, ".html or .md" in ended.err) == (2, True)


def test_export_prints_or_writes(em_bench, run_folder, tmp_path):
    printed = em_bench("export", run_folder, "--format", "every-eval-ever")
    assert json.loads(printed.out)["eval_library"]["name"] == "em-bench"
    em_bench("export", run_folder, "--format", "csv", "-o", tmp_path / "out" / "rates.csv")
    assert (tmp_path / "out" / "rates.csv").read_text().startswith("run,created,")


def test_add_says_how_to_build_from_the_same_store(add, run_folder, tmp_path):
    assert f"leaderboard build --results {tmp_path / 'store'}\n" in add(run_folder, "--name", "org/tiny").out


@pytest.mark.parametrize("form", ["export", "report", "add"])
def test_a_place_that_cannot_be_written_is_one_line(em_bench, run_folder, tmp_path, form):
    place = tmp_path / "there.html"
    if form == "add":
        place.write_text("a file")
        ended = em_bench("leaderboard", "add", run_folder, "--name", "org/tiny", "--results", place)
    else:
        place.mkdir()
        ended = em_bench(form, run_folder, "--output", place, *(("--format", "csv") if form == "export" else ()))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"{place} cannot be written: " in ended.err
