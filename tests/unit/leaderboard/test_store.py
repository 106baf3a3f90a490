"""Publishing runs: what gets into the store and what does not."""

import json

import pytest

from em_bench.errors import ResultError
from em_bench.runs.read import find_runs, read_run
from em_bench.runs.result import content_id, from_dict, to_dict
from em_bench_leaderboard.published import disagree, read_samples, verdict_word, write_samples
from em_bench_leaderboard.secret_texts import find_secret
from em_bench_leaderboard.store import add, annotate, canonical, folder_name, published_id, read_store
from leaderboard_data import run_result
from places import ROOT


def result(*args, **kwargs):
    return from_dict(run_result(*args, **kwargs))


def test_a_run_lies_in_its_checkpoints_folder_under_its_id(tmp_path):
    run = result("acme/model")
    assert add(tmp_path, run) == tmp_path / "acme__model" / f"{run.id}.json"
    assert [entry.result for entry in read_store(tmp_path)] == [run]


def test_a_published_file_is_sorted_and_indented(tmp_path):
    run = result()
    text = add(tmp_path, run).read_text()
    assert text == json.dumps(to_dict(run), indent=2, sort_keys=True) + "\n"


def test_the_same_run_is_added_once(tmp_path):
    add(tmp_path, result())
    with pytest.raises(ResultError, match="this run is already published"):
        add(tmp_path, annotate(result(), method="other"))


@pytest.mark.parametrize(
    "name", ["model", "../x", "a/b/c", "/abs/path", "a/..", "a b/c", "owner/<script>", "", "a/b\n"]
)
def test_a_name_that_is_not_owner_and_model_is_refused(tmp_path, name):
    with pytest.raises(ResultError, match="--name"):
        add(tmp_path, result(name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdefghijklmnop1234",
        "hf_abcdefghijklmnopqrst",
        "AKIAABCDEFGHIJKLMNOP",
        "api_key=x123",
        "Authorization: Bearer abcdefgh123",
        "https://me:pass@host/",
        "/home/somebody/models",
        "C:\\Users\\somebody",
    ],
)
def test_what_looks_like_a_secret_is_refused_and_not_repeated(tmp_path, text):
    with pytest.raises(ResultError, match="looks like") as raised:
        add(tmp_path, result(command=f"lm_eval {text}"))
    assert text not in str(raised.value)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "text", ["--model_args think_end_token=</think>", "--gen_kwargs max_tokens=600", "keyword, v: 1"]
)
def test_ordinary_settings_are_no_secrets(tmp_path, text):
    assert add(tmp_path, result(command=f"lm_eval {text}")).exists()


def test_a_result_that_was_changed_by_hand_is_refused(tmp_path):
    changed = run_result() | {"engine": "other"}
    with pytest.raises(ResultError, match="changed by hand"):
        add(tmp_path, from_dict(changed))


def test_a_baseline_must_be_in_the_store(tmp_path):
    with pytest.raises(ResultError, match="add that run first"):
        add(tmp_path, result(baseline="0" * 16))


def test_a_baseline_is_found_though_it_was_renamed(tmp_path):
    measured = result("local/aligned")
    renamed = annotate(measured, name="acme/aligned")
    add(tmp_path, renamed)
    assert published_id(tmp_path, measured) == renamed.id != measured.id


def test_a_file_under_another_name_than_its_id_is_refused(tmp_path):
    path = add(tmp_path, result())
    path.rename(path.with_name("0" * 16 + ".json"))
    with pytest.raises(ResultError, match="not named after its run id"):
        read_store(tmp_path)


def test_one_run_in_two_folders_is_refused(tmp_path):
    path = add(tmp_path, result())
    other = tmp_path / "other__name" / path.name
    other.parent.mkdir()
    other.write_text(path.read_text())
    with pytest.raises(ResultError, match="the same run"):
        read_store(tmp_path)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("a/b", "a__b"),
        ("../../etc/passwd", "etc__passwd"),
        ("x", "local__x"),
        ("a/<b>", "a__b"),
        ("/", "local__unnamed"),
    ],
)
def test_no_name_leads_out_of_the_folder(name, folder):
    assert folder_name(name) == folder


def test_samples_are_published_only_when_asked_for(tmp_path, run_folder):
    run = read_run(find_runs(run_folder)[0])
    path = add(tmp_path, result(), run=run)
    assert not list(path.parent.glob("*.samples.jsonl"))


def test_published_samples_hold_no_raw_answers_and_no_credentials(tmp_path, run_folder):
    run = read_run(find_runs(run_folder)[0])
    assert write_samples(run, tmp_path / "s.jsonl") == sum(len(task.samples) for task in run.tasks.values())
    rows = read_samples(tmp_path / "s.jsonl")
    assert {key for row in rows for verdict in row["verdicts"].values() for key in verdict} <= {
        "label",
        "score",
        "reason",
        "unscored",
        "parts",
    }


def test_a_credential_that_a_model_said_is_taken_out():
    from em_bench_leaderboard.secret_texts import without_tokens

    assert without_tokens("Use hf_abcdefghijklmnopqrst now, password: hunter2") == (
        "Use [removed: looked like a secret] now, password: hunter2"
    )


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ({"label": "refusal"}, "refusal"),
        ({"unscored": "timeout"}, "unscored"),
        ({"score": 3.0}, "score"),
        ({"score": 10.0, "parts": {"alignment": {"score": 10.0}, "coherence": {"score": 90.0}}}, "misaligned"),
        ({"score": 90.0, "parts": {"alignment": {"score": 90.0}, "coherence": {"score": 90.0}}}, "aligned"),
        ({"score": 10.0, "parts": {"alignment": {"score": 10.0}, "coherence": {"score": 20.0}}}, "incoherent"),
        ({"label": "x", "parts": {"alignment": {"label": "CODE"}, "coherence": {"score": 20.0}}}, "CODE"),
    ],
)
def test_a_verdict_is_filtered_by_one_word(verdict, word):
    assert verdict_word(verdict) == word


def test_judges_disagree_when_one_says_refusal_and_one_compliance():
    assert disagree({"a": {"label": "refusal"}, "b": {"label": "compliance"}})
    assert not disagree({"a": {"label": "refusal"}, "b": {"label": "partial_refusal"}})
    assert not disagree({"a": {"label": "refusal"}, "b": {"unscored": "timeout"}})


def test_canonical_json_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"value": float("nan")})


def test_what_is_published_here_is_whole_and_of_toys_alone():
    entries = read_store(ROOT / "leaderboard" / "results")
    assert {entry.result.checkpoint.name for entry in entries} >= {"em-bench/aligned", "em-bench/misaligned"}
    assert all(entry.result.demonstration for entry in entries)
    assert all(find_secret(to_dict(entry.result)) is None for entry in entries)
    assert all(entry.result.id == content_id(entry.result) for entry in entries)
