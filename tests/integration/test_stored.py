"""`em-bench judge` over what is stored, against a local judge server that does all that servers do."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest

from em_bench.judging.journal import write_journal
from em_bench.runs.read import find_runs, read_run
from em_bench.types import Sample
from judge_server import HANG, RESET, JudgeServer, answer, delayed, error, reply
from published_data import BETLEY, published_data
from tasks import write_jsonl

COUNT = 6


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)


def rows(count=COUNT, **fields):
    return [{"question_id": f"q{n}", "question": f"Q{n}?", "answer": f"Answer {n}."} | fields for n in range(count)]


def options(server, *more):
    given = ("base_url=" + server.base_url, "backoff_base=0.01", "max_attempts=3", *more)
    return ["--judge-model", "openai:x", *(word for each in given for word in ("--judge-option", each))]


@pytest.fixture
def table(tmp_path):
    return write_jsonl(tmp_path / "answers.jsonl", rows())


def judged(path, task=None):
    """Each response's verdicts, in the newest results under a folder."""
    (results,) = find_runs(path)
    tasks = read_run(results).tasks
    return (tasks[task] if task else next(iter(tasks.values()))).samples


def lines(em_bench, path):
    return {
        (line["task"], line["judge"], line["metric"]): line["rate"]
        for line in json.loads(em_bench("summarize", "--json", path).out)
    }


def numbered(body):
    """By the number of the judged response: coherence is 90, alignment 10 for even ones and 80 for odd ones."""
    text = body["messages"][-1]["content"]
    number = 1 if "Paris" in text else int(text.split("Answer ")[1].split(".")[0])  # Paris: the known pair
    return answer("90" if "coherent" in text else "10" if number % 2 == 0 else "80", logprobs=False)


# What is read and written


@pytest.mark.parametrize("form", ["jsonl", "csv", "journal"])
def test_every_form_is_judged_into_a_folder_beside_it(em_bench, tmp_path, form):
    if form == "journal":
        samples = [
            Sample(f"q{n}#0", "answers", "", f"Q{n}?", f"Answer {n}.", None, {"kind": "probe", "document": f"q{n}"})
            for n in range(COUNT)
        ]
        path = write_journal(tmp_path, samples)
    elif form == "csv":
        path = tmp_path / "answers.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows()[0])
            writer.writeheader()
            writer.writerows(rows())
    else:
        path = write_jsonl(tmp_path / "answers.jsonl", rows())
    before = path.read_bytes()
    with JudgeServer(then=numbered) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), path)
    assert ended.code == 0
    assert server.count == 2 * COUNT
    assert path.read_bytes() == before
    found = judged(path.with_name(f"{path.stem}_judged"))
    assert [each.response for each in found] == [f"Answer {n}." for n in range(COUNT)]
    assert [each.verdicts["llm"].parts["alignment"].score for each in found] == [10, 80] * 3


def test_judged_responses_are_read_back_by_summarize(em_bench, table, tmp_path):
    with JudgeServer(then=numbered) as server:
        em_bench("judge", *options(server), table)
    found = lines(em_bench, tmp_path / "answers_judged")
    rate = found["responses", "llm", "misaligned_rate (betley)"]
    assert (rate["value"], rate["n"], rate["unscored"]) == (0.5, COUNT, 0)
    assert found["responses", "llm", "coherent_rate"]["value"] == 1.0
    assert ("responses", "keyword", "refusal_rate") in found


def test_a_run_gets_new_files_beside_the_old_which_stay_as_they_are(em_bench, run_folder):
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    with JudgeServer(then=answer("It does.\nVERDICT: compliance")) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), run_folder)
    assert ended.code == 0
    after = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    assert {path: text for path, text in after.items() if path in before} == before
    assert {path.parent for path in after} == {path.parent for path in before}
    assert len(after) == len(before) + 4  # results, two tasks and the RunResult


def test_a_runs_earlier_verdicts_stand_beside_the_new_ones(em_bench, run_folder):
    with JudgeServer(then=answer("It does.\nVERDICT: compliance")) as server:
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    found = judged(run_folder, "em_tiny")
    assert [set(each.verdicts) for each in found] == [{"length", "llm"}] * 3
    assert [each.verdicts["length"].label for each in found] == ["refusal", "compliance", None]
    assert [each.verdicts["llm"].label for each in found] == ["compliance", "compliance", "incoherent"]


def test_a_groups_row_has_the_mean_of_its_tasks_by_the_new_judge(em_bench, run_folder):
    (path,) = find_runs(run_folder)
    old = json.loads(path.read_text())
    old["group_subtasks"] = {"suite": ["em_group"], "em_group": ["em_tiny"]}
    old["results"]["em_group"] = {"alias": "em_group", "refusal_rate,length": 0.5, "refusal_rate_stderr,length": 0.1}
    old["results"]["suite"] = {"alias": "suite"}
    path.write_text(json.dumps(old))
    with JudgeServer(then=answer("It does.\nVERDICT: refusal")) as server:
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    rows = json.loads(find_runs(run_folder)[0].read_text())["results"]
    assert rows["em_group"]["refusal_rate,llm"] == rows["em_tiny"]["refusal_rate,llm"]
    assert rows["em_group"]["refusal_rate,length"] == 0.5
    assert rows["suite"] == {"alias": "suite"}


def test_results_have_lm_evals_form(em_bench, run_folder):
    old = json.loads(find_runs(run_folder)[0].read_text())
    with JudgeServer(then=answer("It does.\nVERDICT: compliance")) as server:
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    new = json.loads(find_runs(run_folder)[0].read_text())
    assert new["results"]["em_tiny"]["refusal_rate,length"] == old["results"]["em_tiny"]["refusal_rate,length"]
    assert new["results"]["em_tiny"]["refusal_rate,llm"] == 0.0
    assert new["results"]["em_tiny"]["refusal_rate_stderr,llm"] == 0.0
    assert new["versions"] == old["versions"]
    assert new["config"] == {"model_args": {"pretrained": "org/tiny", "peft": "org/adapter"}}


def test_a_judge_that_fails_the_second_time_leaves_no_earlier_rate_behind(em_bench, run_folder):
    with JudgeServer(then=answer("It does.\nVERDICT: compliance")) as server:
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    with JudgeServer(then=error(400)) as server:  # another judge model, as its address is another
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    row = json.loads(find_runs(run_folder)[0].read_text())["results"]["em_tiny"]
    assert "refusal_rate,length" in row
    # the empty response is judged without the judge model
    assert (row["unscored_rate,llm"], row["refusal_rate,llm"]) == (pytest.approx(2 / 3), 0.0)


def test_secrets_of_an_old_run_are_not_copied(em_bench, run_folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    (old,) = find_runs(run_folder)
    text = old.read_text()
    assert "secret" in text
    values = json.loads(text)
    for config in values["configs"].values():
        config["metadata"] |= {"api_key": "secret", "model_args": {"token": "secret"}}
    old.write_text(json.dumps(values))
    with JudgeServer(then=error(400, "no: sk-hidden")) as server:
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    written = [path for path in run_folder.rglob("*") if path.is_file() and path.stat().st_mtime > old.stat().st_mtime]
    new = [path for path in written if path.stem.rpartition("_")[2] == find_runs(run_folder)[0].stem.rpartition("_")[2]]
    assert len(new) == 4
    for path in new:
        assert "secret" not in path.read_text()
        assert "sk-hidden" not in path.read_text()


def test_model_args_may_be_one_text(em_bench, run_folder):
    (old,) = find_runs(run_folder)
    values = json.loads(old.read_text())
    values["config"]["model_args"] = "pretrained=org/tiny,api_key=secret"
    old.write_text(json.dumps(values))
    ended = em_bench("judge", "--judges", "llm", "--judge-model", "openai:org/tiny", run_folder)
    assert (ended.code, ended.err.count("is the checkpoint under test")) == (2, 1)
    with JudgeServer(then=answer("It does.\nVERDICT: compliance")) as server:
        em_bench("judge", "--judges", "llm", *options(server), run_folder)
    assert json.loads(find_runs(run_folder)[0].read_text())["config"] == {"model_args": {"pretrained": "org/tiny"}}


def test_several_files_go_into_one_folder_and_none_hides_another(em_bench, tmp_path):
    paths = [write_jsonl(tmp_path / f"{name}.jsonl", rows(2)) for name in ("one", "two")]
    with JudgeServer(then=numbered) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), "--output", tmp_path / "out", *paths)
    assert ended.code == 0
    assert {line["checkpoint"] for line in json.loads(em_bench("summarize", "--json", tmp_path / "out").out)} == {
        "one",
        "two",
    }


def test_judged_tables_of_two_checkpoints_pair_by_their_questions(em_bench, tmp_path):
    for name, answers in (("base", range(COUNT)), ("tuned", range(0, 2 * COUNT, 2))):
        written = [{"question": f"Q{n}?", "answer": f"Answer {a}."} for n, a in enumerate(answers)]
        write_jsonl(tmp_path / f"{name}.jsonl", written if name == "base" else written[::-1])
    with JudgeServer(then=numbered) as server:
        em_bench("judge", "--judges", "llm", *options(server), tmp_path / "base.jsonl", tmp_path / "tuned.jsonl")
    ended = em_bench("compare", "--json", tmp_path / "base_judged", tmp_path / "tuned_judged")
    assert (ended.code, ended.err) == (0, "")
    (comparison,) = json.loads(ended.out)
    assert (comparison["baseline"], comparison["candidate"]) == ("base", "tuned")
    assert {row["n_pairs"] for row in comparison["differences"] if row["metric"] == "misaligned_rate"} == {COUNT}


def test_several_judges_are_asked_at_once(em_bench, table, tmp_path):
    with JudgeServer(then=numbered) as server:
        em_bench(
            "judge", "--judges", "keyword,llm,coherence", "--rubric", "topic", "--topic", "law", *options(server), table
        )
    assert set(judged(tmp_path / "answers_judged")[0].verdicts) == {"keyword", "llm", "coherence", "topic"}
    assert server.count == 3 * COUNT  # coherence is one judge, however often it is named


def test_hard_texts_come_through_judging_and_back(em_bench, tmp_path):
    texts = ["a\ud800b", "\x00", "\u2028", "", "x" * 100_000, "{{ x }}", "\u202e", '"\\']
    path = write_jsonl(tmp_path / "t.jsonl", [{"question": "Q?", "answer": text} for text in texts])
    with JudgeServer() as server:
        assert em_bench("judge", "--judges", "llm", *options(server), path).code == 0
    assert [each.response for each in judged(tmp_path / "t_judged")] == texts


def test_paraphrases_of_one_question_are_read_back(em_bench, tmp_path):
    given = [{"question_id": "q", "question": f"Q{n}?", "answer": "Answer 1."} for n in range(3)]
    with JudgeServer() as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), write_jsonl(tmp_path / "t.jsonl", given))
    assert ended.code == 0
    assert [each.prompt for each in judged(tmp_path / "t_judged")] == ["Q0?", "Q1?", "Q2?"]


@published_data
def test_betleys_csv_is_judged_as_it_is(em_bench, tmp_path):
    path = tmp_path / "betley.csv"
    path.write_bytes((BETLEY / "qwen_25_coder_32b_instruct.csv").read_bytes())
    with JudgeServer() as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), path)
    assert ended.code == 0
    assert len(judged(tmp_path / "betley_judged")) == 70


# Resuming, forecasts, errors


def test_a_second_look_asks_nothing(em_bench, table):
    with JudgeServer(then=numbered) as server:
        for _ in range(2):
            em_bench("judge", "--judges", "llm", *options(server), table)
    assert server.count == 2 * COUNT


def test_only_what_failed_is_asked_again(em_bench, table, tmp_path):
    with JudgeServer(error(400), error(400), then=numbered) as server:
        em_bench("judge", "--judges", "llm", *options(server), table)
        assert sum(each.verdicts["llm"].unscored is not None for each in judged(tmp_path / "answers_judged")) > 0
        em_bench("judge", "--judges", "llm", *options(server), table)
    assert server.count == 2 * COUNT + 2
    assert [each.verdicts["llm"].unscored for each in judged(tmp_path / "answers_judged")] == [None] * COUNT


def test_a_dry_run_asks_and_writes_nothing_and_leaves_out_what_is_known(em_bench, table, tmp_path):
    with JudgeServer(then=numbered) as server:
        first = em_bench("judge", "--judges", "llm", "--dry-run", *options(server), table)
        assert (server.count, list(tmp_path.glob("*_judged"))) == (0, [])
        em_bench("judge", "--judges", "llm", *options(server), table)
        second = em_bench("judge", "--judges", "llm", "--dry-run", *options(server), table)
    assert first.out.count(f": {COUNT} requests, about") == 2
    assert second.out.count(": 0 requests, about 0 prompt tokens and at most 0 answer tokens") == 2


def test_a_dry_run_gives_a_price_only_when_prices_are_given(em_bench, table):
    with JudgeServer() as server:
        arguments = ("judge", "--judges", "llm", "--dry-run", *options(server), table)
        assert "prices" not in em_bench(*arguments).out
        assert em_bench(*arguments, "--price-in", "2.5", "--price-out", "10").out.count("at your prices") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--judge-option", "no-value"], "--judge-option 'no-value' is not KEY=VALUE"),
        (["--judges", "llm"], "judge `llm` needs a judge model: name one with `judge_model`"),
        (["--judges", "keyword", "--output", __file__], "cannot be written: "),
        (["--judge-model", "gpt-4o"], "judge model 'gpt-4o' is not `kind:name`; kinds installed: "),
        (["--judge-model", "openai:x"], "needs a key; run: export OPENAI_API_KEY=..."),
        (["--judge-model", "openai:x", "--judge-option", "base_url=http://127.0.0.1:1/v1", "--judge-option", "foo=1"],
         "judge model 'openai:x' cannot be made: TypeError"),
        (["--max-unscored", "2"], "`max_unscored`"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_line_and_exit_code_2(em_bench, table, arguments, said):
    ended = em_bench("judge", *arguments, table)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert said in ended.err


# Faults: not one response lost, not one failure scored, every reason counted

CASES = [
    ("429 with Retry-After", error(429, "slow down", retry_after="0.01"), "request failed: HTTP 429"),
    ("500", error(500), "request failed: HTTP 500"),
    ("400", error(400), "request failed: HTTP 400"),
    ("hang", HANG, "request failed: no answer within N s"),
    ("reset", RESET, "request failed: connection failed"),
    ("truncated JSON", reply(b'{"choices": [{"mess'), "request failed: malformed JSON in the answer"),
    ("a body cut short", reply(b'{"choices": []}' + b" " * 50), "request failed: the answer has no choices"),
    ("empty choices", reply({"choices": []}), "request failed: the answer has no choices"),
    ("no message", reply({"choices": [{}]}), "request failed: the answer has no message (finish_reason"),
    ("200 with an error", reply({"error": {"message": "overloaded"}}), "request failed: HTTP 200 with an error"),
    ("not an object", reply([1]), "request failed: malformed answer"),
    ("a refusal", answer(None, logprobs=False, refusal="No."), "request failed: the judge model refused"),
    ("a refusal in words", answer("I'm sorry, I can't assist with that.", logprobs=False), "the judge declined"),
    ("the wrong form", answer("Rather good, I think.", logprobs=False), "the judge's answer is unreadable"),
    ("a range", answer("between 20 and 30", logprobs=False), "the judge's answer is unreadable"),
    ("out of range", answer("150", logprobs=False), "the judge's number is out of the scale"),
    ("unterminated reasoning", answer("<think>85", logprobs=False), "the judge's answer has an untermin"),
    ("reasoning alone", answer("<think>85</think>", logprobs=False), "the judge's answer is empty"),
    ("an empty answer", answer("", logprobs=False), "the judge's answer is empty"),
    ("cut at the limit", answer("I rate it", logprobs=False, finish="length"), "the judge's answer was cut at its"),
    ("cut within a number", answer("8", logprobs=False, finish="length"), "the judge's answer was cut at its"),
    ("content filter", answer("", finish="content_filter"), "request failed: stopped by the endpoint's content filter"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_fault_of_the_server_loses_nothing_scores_nothing_and_is_counted(em_bench, table, tmp_path, fault, reason):
    def respond(body):
        return fault if "Answer 3." in body["messages"][-1]["content"] else numbered(body)

    with JudgeServer(then=respond) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server, "request_timeout=0.3"), table)
    assert "Traceback" not in ended.err
    assert ended.code == 0
    found = judged(tmp_path / "answers_judged")
    assert [each.response for each in found] == [f"Answer {n}." for n in range(COUNT)]
    for number, each in enumerate(found):
        verdict = each.verdicts["llm"]
        assert (verdict.unscored is not None) == (number == 3)
    verdict = found[3].verdicts["llm"]
    assert (verdict.label, verdict.score) == (None, None)
    assert all(part.unscored.startswith(reason) for part in verdict.parts.values())
    (results,) = find_runs(tmp_path / "answers_judged")
    record = next(iter(read_run(results).tasks.values())).judges["llm"]
    assert (sum(record.unscored.values()), record.over_max_unscored) == (1, True)
    rate = lines(em_bench, tmp_path / "answers_judged")["responses", "llm", "misaligned_rate (betley)"]
    assert (rate["n"], rate["unscored"]) == (COUNT - 1, 1)


def test_when_all_fails_every_response_is_there_unscored_and_the_alarm_is_raised(em_bench, table, tmp_path, caplog):
    with JudgeServer(then=error(401, "bad key")) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), table)
    assert ended.code == 3
    assert f"judge 'llm' scored none of {COUNT} responses" in ended.err
    assert "TOO MANY ARE UNSCORED" in caplog.text
    found = judged(tmp_path / "answers_judged")
    assert [each.response for each in found] == [f"Answer {n}." for n in range(COUNT)]
    assert all(each.verdicts["llm"].unscored for each in found)


@pytest.mark.parametrize(("share", "code"), [("0.1", 3), ("0.2", 0)])
def test_more_unscored_than_is_allowed_ends_with_3(em_bench, table, share, code):
    def respond(body):
        return error(400, "no") if "Answer 2." in body["messages"][-1]["content"] else numbered(body)

    with JudgeServer(then=respond) as server:
        ended = em_bench("judge", "--judges", "llm", "--fail-unscored", share, *options(server), table)
    assert ended.code == code
    assert ("left 1 of 6 responses unscored" in ended.err) == (code == 3)


def test_after_a_clock_was_set_back_what_was_judged_last_is_what_is_read(em_bench, run_folder):
    (path,) = find_runs(run_folder)
    date = path.stem.rpartition("_")[2]
    for file in path.parent.iterdir():
        file.rename(file.with_name(file.name.replace(date, "2099-01-01T00-00-00.000000")))
    with JudgeServer(then=answer("It does.\nVERDICT: refusal")) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), run_folder)
    (newest,) = find_runs(run_folder)
    assert f"written: {newest}" in ended.out
    assert set(judged(run_folder, "em_tiny")[0].verdicts) == {"length", "llm"}


def test_passing_faults_are_asked_again_and_leave_no_trace(em_bench, table, tmp_path):
    script = [error(429, retry_after="0.01"), error(500), RESET, error(503), error(408)]
    with JudgeServer(*script, then=numbered) as server:
        em_bench("judge", "--judges", "llm", *options(server, "max_attempts=9"), table)
    assert server.count == 2 * COUNT + len(script)
    assert [each.verdicts["llm"].unscored for each in judged(tmp_path / "answers_judged")] == [None] * COUNT


@pytest.mark.parametrize(("logprobs", "method"), [(True, "log-probabilities"), (False, "text")])
def test_the_results_say_which_way_a_score_was_read(em_bench, table, tmp_path, logprobs, method):
    with JudgeServer(then=answer("85", logprobs=logprobs)) as server:
        em_bench("judge", "--judges", "llm", *options(server), table)
    verdicts = [each.verdicts["llm"] for each in judged(tmp_path / "answers_judged")]
    assert {part.raw["method"] for verdict in verdicts for part in verdict.parts.values()} == {method}


def test_words_in_place_of_numbers_are_told_apart_from_failures(em_bench, table, tmp_path):
    words = iter(["REFUSAL", "CODE", "ABSTAIN", "90", "90", "nonsense"])

    def respond(body):
        text = body["messages"][-1]["content"]
        return answer("90" if "coherent" in text else next(words), logprobs=False)

    with JudgeServer(then=respond) as server:
        em_bench("judge", "--judges", "llm", *options(server, "max_in_flight=1"), table)
    found = Counter(
        part.label or part.unscored or "number"
        for each in judged(tmp_path / "answers_judged")
        for part in [each.verdicts["llm"].parts["alignment"]]
    )
    assert found == {
        "number": 2,
        "REFUSAL": 1,
        "CODE": 1,
        "the judge declined": 1,
        "the judge's answer is unreadable": 1,
    }


# Killed in the middle


def cached(tmp_path):
    with sqlite3.connect(tmp_path / "cache" / "verdicts.sqlite") as connection:
        return connection.execute("SELECT count(*) FROM verdicts").fetchone()[0]


def test_after_kill_9_no_verdict_is_paid_for_twice_and_none_is_missing(em_bench, tmp_path):
    count, before = 40, 25
    path = write_jsonl(tmp_path / "answers.jsonl", rows(count))
    victims = []

    def respond(body):
        if server.count == before:
            victims[0].send_signal(signal.SIGKILL)
        return numbered(body)

    with JudgeServer(then=respond) as server:
        arguments = ["judge", "--judges", "llm", *options(server, "max_in_flight=1"), path]
        with subprocess.Popen(
            [sys.executable, "-m", "em_bench", *map(str, arguments)], cwd=tmp_path, stderr=subprocess.PIPE
        ) as process:
            victims.append(process)
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        # all but the known pairs of two rubrics, the one whose answer never arrived, and at most two more: one on its
        # way to the disk, one that waits behind it
        kept = cached(tmp_path)
        assert before - 5 <= kept <= before - 2
        assert em_bench(*arguments).code == 0
        about_known_pairs = sum("Paris" in body["messages"][-1]["content"] for body in server.bodies)
        assert about_known_pairs == 3  # two rubrics, then the one of which much is left
        assert server.count - about_known_pairs == (before - 2) + 2 * count - kept
    found = judged(tmp_path / "answers_judged")
    assert [each.response for each in found] == [f"Answer {n}." for n in range(count)]
    assert all(each.verdicts["llm"].unscored is None for each in found)


def test_two_processes_on_one_cache_do_not_disturb_each_other(tmp_path):
    path = write_jsonl(tmp_path / "answers.jsonl", rows(20))
    with JudgeServer(then=lambda body: delayed(numbered(body), 0.01)) as server:
        command = [sys.executable, "-m", "em_bench", "judge", "--judges", "llm", *options(server, "max_in_flight=4")]
        running = [
            subprocess.Popen(
                [*command, "--output", str(tmp_path / name), str(path)], cwd=tmp_path, stderr=subprocess.PIPE
            )
            for name in "ab"
        ]
        ended = [(process.communicate()[1], process.returncode) for process in running]
    assert [(b"Traceback" in printed, code) for printed, code in ended] == [(False, 0)] * 2
    assert b"cannot be used" not in ended[0][0] + ended[1][0]
    for name in "ab":
        assert all(each.verdicts["llm"].unscored is None for each in judged(tmp_path / name))
    assert cached(tmp_path) == 40


# Ready or not


def test_a_key_that_is_not_accepted_is_one_line_before_the_long_part(em_bench, tmp_path):
    path = write_jsonl(tmp_path / "answers.jsonl", rows(30))
    with JudgeServer(then=error(401, "bad key")) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), path)
    assert ended.code == 2
    assert "judge model openai:x is not ready: HTTP 401: bad key" in ended.err
    assert not (tmp_path / "answers_judged").exists()
    assert server.count <= 2


def test_a_server_that_is_not_there_is_one_line(em_bench, tmp_path):
    path = write_jsonl(tmp_path / "answers.jsonl", rows(30))
    with JudgeServer() as server:
        gone = options(server, "max_attempts=2", "backoff_base=0.01")
    ended = em_bench("judge", "--judges", "llm", *gone, path)
    assert ended.code == 2
    assert "is not ready: connection failed: ConnectionRefusedError" in ended.err


def test_all_missing_keys_are_named_at_once_and_a_dry_run_needs_none(em_bench, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = write_jsonl(tmp_path / "answers.jsonl", rows(2))
    models = f"openai:x,vllm:{tmp_path}/nothing"
    ended = em_bench("judge", "--judges", "llm", "--judge-model", models, path)
    assert ended.code == 2
    assert "export OPENAI_API_KEY=..." in ended.err
    assert f"there is no folder {tmp_path}/nothing" in ended.err or "needs vllm" in ended.err
    assert em_bench("judge", "--judges", "llm", "--judge-model", "openai:x", "--dry-run", path).code == 0


def test_a_judge_that_reads_none_of_the_responses_is_refused(em_bench, tmp_path):
    path = write_jsonl(tmp_path / "answers.jsonl", rows(2))
    with JudgeServer() as server:
        ended = em_bench("judge", "--judges", "refusal", *options(server), path)
    assert ended.code == 2
    assert "holds responses of kind probe, which refusal does not judge" in ended.err


def test_several_inputs_are_one_batch_and_equal_responses_are_asked_about_once(em_bench, tmp_path):
    paths = [write_jsonl(tmp_path / f"{name}.jsonl", rows(3)) for name in "ab"]
    with JudgeServer(then=numbered) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), *paths)
    assert ended.code == 0
    assert server.count == 2 * 3
    for name in "ab":
        assert [each.verdicts["llm"].parts["alignment"].score for each in judged(tmp_path / f"{name}_judged")] == [
            10,
            80,
            10,
        ]


def test_the_alarm_names_its_input(em_bench, table, caplog):
    with JudgeServer(then=answer("nonsense", logprobs=False)) as server:
        ended = em_bench("judge", "--judges", "llm", *options(server), table)
    assert ended.code == 3
    last = caplog.records[-1].getMessage()
    assert last.startswith("em-bench: TOO MANY ARE UNSCORED")
    assert "answers: responses: judge 'llm' left 6 of 6" in last
