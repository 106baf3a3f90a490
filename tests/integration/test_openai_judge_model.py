"""The openai judge model against a local server that misbehaves in every way an endpoint does."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from _thread import interrupt_main
from email.utils import formatdate

import pytest

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.judge_model import ChatRequest, Completion, Message
from em_bench_judges.models.answers import clean
from em_bench_judges.models.limits import Bucket, estimated_tokens
from em_bench_judges.models.openai import OpenAIJudgeModel
from em_bench_judges.models.retry import backoff, retry_after
from judge_server import HANG, RESET, JudgeServer, Reply, answer, completion, delayed, error, reply, token

KEY = "sk-test-0123456789abcdef"
PAGE = b"<html><head><title>Blocked</title></head><body><h1>Request blocked</h1></body></html>"
PROMPT = "Rate the answer."


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)


def request(text: str = PROMPT, **options) -> ChatRequest:
    return ChatRequest((Message("user", text),), **{"max_tokens": 5, "top_logprobs": 20} | options)


def model(server: JudgeServer, **options) -> OpenAIJudgeModel:
    return OpenAIJudgeModel(
        "judge", **{"base_url": server.base_url, "backoff_base": 0.01, "request_timeout": 5} | options
    )


def ask(server: JudgeServer, *requests: ChatRequest, **options) -> list[Completion]:
    requests = requests or (request(),)
    answers = dict(model(server, **options).complete(requests))
    assert sorted(answers) == list(range(len(requests)))
    return [answers[index] for index in sorted(answers)]


def ask_many(server: JudgeServer, count: int, **options) -> list[Completion]:
    return ask(server, *(request(f"{PROMPT} {number}") for number in range(count)), **options)


def one(server: JudgeServer, **options) -> Completion:
    return ask(server, **options)[0]


def judge_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "em-bench judge model"]


# What is sent, and what comes back


def test_answer_has_text_tokens_and_usage():
    with JudgeServer() as server:
        found = one(server)
    assert (found.text, found.error, found.finish_reason, found.attempts) == ("85", None, "stop", 1)
    assert (found.prompt_tokens, found.completion_tokens) == (120, 1)
    assert [item.text for item in found.tokens] == ["85"]
    assert len(found.tokens[0].top) == 20
    assert found.tokens[0].top["85"] == pytest.approx(-0.478, abs=0.001)


def test_request_as_it_is_sent():
    asked = ChatRequest((Message("system", "Be strict."), Message("user", "{} {{ x }}")), 7, temperature=0.5)
    with JudgeServer() as server:
        ask(server, asked, seed=3, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert server.bodies == [
        {
            "model": "judge",
            "messages": [{"role": "system", "content": "Be strict."}, {"role": "user", "content": "{} {{ x }}"}],
            "max_tokens": 7,
            "temperature": 0.5,
            "seed": 3,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]


def test_top_logprobs_are_asked_for_and_at_most_20():
    with JudgeServer() as server:
        ask(server, request(top_logprobs=50))
    assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 20)


@pytest.mark.parametrize("wanted", [{"choices": ("yes", "no")}, {"pattern": "[0-9]+"}])
def test_constraints_are_sent_only_when_structured_outputs_is_on(wanted):
    with JudgeServer() as server:
        ask(server, request(**wanted))
        ask(server, request(**wanted), structured_outputs=True)
    expected = {"choice": ["yes", "no"]} if "choices" in wanted else {"regex": "[0-9]+"}
    assert [body.get("structured_outputs") for body in server.bodies] == [None, expected]


def test_a_guards_chat_template_and_its_arguments_are_sent_as_vllm_takes_them():
    template = {"add_generation_prompt": False, "chat_template": "{{ messages }}", "guideline": "Be kind."}
    with JudgeServer() as server:
        ask(server, request(), request(template=template))
    sent = [
        {key: body[key] for key in ("chat_template", "chat_template_kwargs") if key in body} for body in server.bodies
    ]
    assert sorted(sent, key=len) == [
        {}, {"chat_template": "{{ messages }}", "chat_template_kwargs": {"guideline": "Be kind."}},
    ]  # fmt: skip


HARD_TEXTS = ["", "\x00", "a\ud800b", "\udfff", "{}{{ x }}{% y %}", "é😀\u2028", '"\\', "x" * 1_000_000]


@pytest.mark.parametrize("text", HARD_TEXTS, ids=range(len(HARD_TEXTS)))
def test_any_text_is_sent(text):
    with JudgeServer() as server:
        assert one_of(ask(server, request(text))).error is None
    sent = server.bodies[0]["messages"][0]["content"]
    assert sent == "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def one_of(found: list[Completion]) -> Completion:
    assert len(found) == 1
    return found[0]


def test_surrogate_pairs_become_their_letter():
    assert clean("\ud83d\ude00 \ud83d") == "😀 \ufffd"


def test_answers_can_be_encoded_whatever_they_hold():
    with JudgeServer(
        reply(b'{"choices": [{"message": {"content": "4\\ud800\\u0000"}}]}'), reply(completion("\xff"))
    ) as server:
        found = ask_many(server, 2, max_in_flight=1)
    assert [item.text for item in found] == ["4\ufffd\x00", "\xff"]
    assert all(item.text.encode() for item in found)


def test_reasoning_is_left_out_of_text_and_tokens():
    body = completion("85", reasoning_content="Is it 10? No.")
    body["choices"][0]["logprobs"]["content"] = [
        token(text) for text in ("<think>", "10", "85?", "</think>", "\n", "85")
    ]
    with JudgeServer(reply(body)) as server:
        found = one(server)
    assert found.text == "85"
    assert [item.text for item in found.tokens] == ["85"]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_that_takes_all_tokens_is_no_answer(field):
    with JudgeServer(answer(None, finish="length", **{field: "Let me think"})) as server:
        found = one(server)
    assert (found.text, found.error) == ("", "max_tokens ran out before the answer began")
    assert found.completion_tokens == 1


def test_content_in_parts_is_joined():
    with JudgeServer(answer([{"type": "text", "text": "8"}, {"type": "text", "text": "5"}])) as server:
        assert one(server).text == "85"


# Many at a time


def test_each_request_is_answered_once_within_the_bound():
    with JudgeServer(latency=0.02) as server:
        found = ask_many(server, 100, max_in_flight=10)
    assert server.count == 100
    assert server.peak == 10
    assert all(item.text == "85" for item in found)


def test_answers_come_as_they_finish():
    with JudgeServer(delayed(answer(), 0.5)) as server:
        order = [index for index, _ in model(server).complete([request(str(n)) for n in range(5)])]
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order[-1] != 0 or server.bodies[0]["messages"][0]["content"] == "0"
    slow = int(server.bodies[0]["messages"][0]["content"])
    assert order[-1] == slow


def test_request_that_cannot_be_written_fails_alone():
    with JudgeServer() as server:
        found = ask(server, request(), ChatRequest((Message("user", None),), 5), request(temperature=float("nan")))
    assert [item.error is None for item in found] == [True, False, False]


def test_no_requests_no_work():
    with JudgeServer() as server:
        assert list(model(server).complete([])) == []
    assert (server.count, server.connections) == (0, 0)


def test_nothing_is_asked_before_the_first_answer_is_wanted():
    with JudgeServer() as server:
        model(server).complete([request()])
        assert judge_threads() == []
    assert server.count == 0


def test_works_in_a_running_event_loop():
    async def in_loop(server):
        return list(model(server).complete([request()]))

    with JudgeServer() as server:
        assert asyncio.run(in_loop(server))[0][1].text == "85"


def test_one_model_in_two_threads():
    with JudgeServer(latency=0.01) as server:
        shared = model(server)
        found = []
        threads = [threading.Thread(target=lambda: found.extend(shared.complete([request()] * 20))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [item.text for _, item in found] == ["85"] * 40


# A reader that stops


def test_closing_stops_promptly_and_sends_no_more():
    with JudgeServer(*[answer()] * 3, then=HANG) as server:
        answers = model(server, max_in_flight=8).complete([request()] * 500)
        next(answers)
        begin = time.monotonic()
        answers.close()
        assert time.monotonic() - begin < 20  # not the minute that a hang would take
        assert server.count <= 3 + 8
        assert judge_threads() == []


def test_a_reader_that_raises_leaves_nothing_running():
    def read(server):
        for _ in model(server).complete([request()] * 50):
            raise ZeroDivisionError

    with JudgeServer(answer(), then=HANG) as server:
        with pytest.raises(ZeroDivisionError):
            read(server)
        assert judge_threads() == []


@pytest.mark.parametrize("interrupt", [interrupt_main, lambda: os.kill(os.getpid(), signal.SIGINT)])
def test_keyboard_interrupt_stops_promptly(interrupt):
    # a job in the background, as CI may be, is started with interrupts ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with JudgeServer(then=HANG) as server:
        timer = threading.Timer(0.5, interrupt)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            list(model(server).complete([request()] * 50))
        timer.join()
        assert time.monotonic() - begin < 20  # not the minute that a hang would take
        assert judge_threads() == []


# Failures that pass


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_passing_status_is_asked_again(status):
    with JudgeServer(error(status), reply(PAGE, status)) as server:
        found = one(server)
    assert (found.text, found.error, found.attempts, server.count) == ("85", None, 3, 3)


SHORT = Reply(json.dumps(completion()).encode(), action="short")


@pytest.mark.parametrize("broken", [RESET, SHORT, HANG, reply({"error": {"code": 502, "message": "upstream"}})])
def test_broken_exchange_is_asked_again(broken):
    with JudgeServer(broken) as server:
        found = one(server, request_timeout=0.5)
    assert (found.text, found.attempts) == ("85", 2)


def test_failures_are_counted_and_the_last_is_the_reason():
    with JudgeServer(then=error(503, "the engine is asleep")) as server:
        found = one(server, max_attempts=3)
    assert (found.text, found.error, found.attempts) == ("", "HTTP 503: the engine is asleep", 3)
    assert server.count == 3


def test_silence_is_named():
    with JudgeServer(then=HANG) as server:
        found = one(server, max_attempts=2, request_timeout=0.2)
    assert (found.error, found.attempts) == ("no answer within 0.2 s", 2)


def test_reset_is_named():
    with JudgeServer(then=RESET) as server:
        found = one(server, max_attempts=2)
    assert found.error.startswith("connection failed: ")
    assert "disconnected" in found.error.lower() or "reset" in found.error.lower()


def test_absent_server_is_named():
    with JudgeServer() as server:
        absent = server.base_url
    found = dict(OpenAIJudgeModel("judge", base_url=absent, max_attempts=2, backoff_base=0.01).complete([request()]))[0]
    assert found.error.startswith("connection failed: ")
    assert "Connect call failed" in found.error
    assert found.attempts == 2


@pytest.mark.parametrize("header", [{"retry_after": "0.3"}, {"retry_after_ms": "300", "retry_after": "90"}])
def test_retry_after_is_honoured(header):
    with JudgeServer(error(429, **header)) as server:
        begin = time.monotonic()
        assert one(server).text == "85"
    assert 0.3 <= time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": ""}, 0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_forms(headers, seconds):
    assert retry_after(headers) == pytest.approx(seconds, abs=0.001)


def test_a_date_to_come_is_waited_for():
    headers = {"retry-after": formatdate(time.time() + 3600, usegmt=True)}
    assert retry_after(headers) == pytest.approx(3600, abs=60)


def test_wait_beyond_the_deadline_is_not_waited():
    with JudgeServer(then=error(429, "slow down", retry_after="3600")) as server:
        begin = time.monotonic()
        found = one(server, deadline=2)
    assert time.monotonic() - begin < 20  # not the minute that a hang would take
    assert found.attempts == 1
    assert found.error == "no time left before the deadline; the server asks to wait 3600 s; HTTP 429: slow down"


def test_deadline_ends_the_attempts():
    with JudgeServer(then=error(500)) as server:
        begin = time.monotonic()
        found = one(server, deadline=0.6, max_attempts=1000, backoff_base=0.2)
    assert time.monotonic() - begin < 20  # not the minute that a hang would take
    assert found.error.startswith("no time left before the deadline; HTTP 500")


def test_deadline_bounds_a_single_attempt():
    with JudgeServer(then=HANG) as server:
        begin = time.monotonic()
        found = one(server, deadline=0.3, request_timeout=60)
    assert time.monotonic() - begin < 20  # not the minute that a hang would take
    assert found.error.startswith("no time left before the deadline; no answer within 0.3 s")


def test_backoff_doubles_with_full_jitter():
    for attempt in range(1, 12):
        waits = [backoff(0.5, attempt) for _ in range(200)]
        longest = min(60.0, 0.5 * 2 ** (attempt - 1))
        assert 0 <= min(waits) < longest * 0.2
        assert longest * 0.8 < max(waits) <= longest


# Failures that stay


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_request_fails_at_once_and_alone(status):
    with JudgeServer(error(status, "the text\nis too long " + "x" * 1000)) as server:
        found = ask_many(server, 5, max_in_flight=1)
    assert found[0].attempts == 1
    assert found[0].error.startswith(f"HTTP {status}: the text is too long xxx")
    assert len(found[0].error) == 300
    assert [item.text for item in found[1:]] == ["85"] * 4
    assert server.count == 5


@pytest.mark.parametrize(
    "fatal",
    [
        error(401, "Incorrect API key provided"),
        error(402, "Insufficient balance"),
        error(403, "Country not supported"),
        error(404, "The model `judge` does not exist", code="model_not_found"),
        reply(b"404 page not found", 404),
        error(429, "You exceeded your current quota", code="insufficient_quota"),
    ],
    ids=["401", "402", "403", "404", "wrong path", "quota"],
)
def test_what_every_request_would_meet_is_met_once(fatal, caplog):
    with JudgeServer(then=fatal) as server:
        found = ask_many(server, 1600, max_in_flight=4)
    assert server.count <= 4
    assert len({item.error for item in found}) == 1
    assert found[0].error.startswith(f"HTTP {fatal.status}: ")
    assert sum(item.attempts for item in found) == server.count
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_giving_up_wakes_those_who_wait():
    def by_turn(body):
        late = body["messages"][0]["content"].endswith(" 1")
        return delayed(error(401), 0.3) if late else error(429, retry_after="60")

    with JudgeServer(then=by_turn) as server:
        begin = time.monotonic()
        found = ask_many(server, 2)
    assert time.monotonic() - begin < 20  # not the minute that a hang would take
    assert {item.error for item in found} == {"HTTP 401: something went wrong"}


@pytest.mark.parametrize(
    "about_one_text",
    [reply(PAGE, 403), error(403, "Your input was flagged"), error(403, "blocked by content_policy")],
    ids=["firewall", "moderation", "policy"],
)
def test_forbidden_text_fails_alone(about_one_text):
    with JudgeServer(about_one_text) as server:
        found = ask_many(server, 10, max_in_flight=1)
    assert found[0].error.startswith("HTTP 403: ")
    assert "<" not in found[0].error
    assert [item.text for item in found[1:]] == ["85"] * 9


@pytest.mark.parametrize("status", [403, 404])
def test_where_a_request_worked_the_next_failure_is_alone(status):
    with JudgeServer(answer(), error(status)) as server:
        found = ask_many(server, 5, max_in_flight=1)
    assert [item.error is None for item in found] == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (reply(b'{"choices": [{"mess'), 'malformed JSON in the answer: {"choices": [{"mess'),
        (reply(b""), "malformed JSON in the answer"),
        (reply(PAGE), "malformed JSON in the answer: <html>"),
        (reply(b"[" * 100_000), "malformed JSON"),
        (reply(b"\xff\xfe\x00"), "malformed JSON"),
        (reply([1]), "a JSON list, not an object"),
        (reply(None), "a JSON NoneType, not an object"),
        (reply({"error": {"message": "out of memory", "code": "oom"}}), "HTTP 200 with an error: out of memory"),
        (reply({"error": "no such thing"}), "HTTP 200 with an error: no such thing"),
        (reply({"object": "error", "message": "bad"}), "HTTP 200 with an error: bad"),
        (reply({"choices": []}), "no choices"),
        (reply({}), "no choices"),
        (reply({"choices": None}), "no choices"),
        (reply({"choices": [None]}), "its choice is not an object"),
        (reply({"choices": [{"finish_reason": "safety"}]}), "no message (finish_reason: safety)"),
        (answer(None), "no content (null; finish_reason: stop)"),
        (answer(None, finish="tool_calls"), "no content (null; finish_reason: tool_calls)"),
        (answer(7), "no content (7"),
        (answer("par", finish="content_filter"), "content filter"),
        (answer(None, refusal="I can't help with that."), "the judge model refused: I can't help with that."),
        (error(400, "filtered by the content management policy", code="content_filter"), "content management policy"),
        (reply({"detail": [{"loc": ["body"]}]}, 422), 'HTTP 422: [{"loc": ["body"]}]'),
        (reply(b"", 400), "HTTP 400: Bad Request"),
    ],
)
def test_answer_that_is_none_is_an_error_that_names_it(broken, named):
    with JudgeServer(broken) as server:
        found = one(server)
    assert named in found.error
    assert (found.text, found.tokens, found.attempts) == ("", None, 1)
    assert len(found.error) <= 300


def test_refusal_keeps_its_usage():
    with JudgeServer(answer(None, refusal="No.")) as server:
        assert one(server).prompt_tokens == 120


# What an endpoint does not take


def strange_logprobs(content) -> Reply:
    body = completion()
    body["choices"][0]["logprobs"] = content
    return reply(body)


@pytest.mark.parametrize(
    "given",
    [
        answer(logprobs=False),
        strange_logprobs({"content": []}),
        strange_logprobs({"content": None}),
        strange_logprobs({"content": [{"token": "85", "logprob": -0.1, "top_logprobs": []}]}),
        strange_logprobs({"content": [{"token": "85", "top_logprobs": [{"token": "85"}]}]}),
        strange_logprobs({"content": [{"token": "85", "top_logprobs": [{"token": "85", "logprob": "x"}]}]}),
        strange_logprobs([0.1]),
    ],
)
def test_no_logprobs_is_none(given):
    with JudgeServer(given) as server:
        found = one(server)
    assert (found.text, found.error, found.tokens) == ("85", None, None)


def test_logprobs_are_never_above_zero_and_the_likelier_of_two_counts():
    top = [("85", 1e-7), ("85", -9999.0), ("8", float("nan"))]
    alternatives = [{"token": text, "logprob": logprob} for text, logprob in top]
    with JudgeServer(strange_logprobs({"content": [{"token": "85", "top_logprobs": alternatives}]})) as server:
        assert one(server).tokens[0].top == {"85": 0.0}


@pytest.mark.parametrize(
    "rejection",
    [
        error(400, "Logprobs is not enabled for models/judge"),
        error(403, "You are not allowed to request logprobs from this model."),
        error(400, "Invalid value", param="top_logprobs"),
        error(422, "Extra inputs are not permitted: logprobs"),
    ],
)
def test_rejected_logprobs_are_asked_for_once(rejection, caplog):
    with JudgeServer(then=lambda body: rejection if "logprobs" in body else answer(logprobs=False)) as server:
        judge = model(server, max_in_flight=1)
        for _ in range(2):
            found = [item for _, item in judge.complete([request()] * 3)]
            assert [(item.text, item.tokens, item.error) for item in found] == [("85", None, None)] * 3
    assert sum("logprobs" in body for body in server.bodies) == 1
    assert server.count == 7
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_rejected_logprobs_of_many_at_once_are_one_warning(caplog):
    rejection = error(400, "logprobs is not supported")
    with JudgeServer(
        then=lambda body: rejection if "logprobs" in body else answer(logprobs=False), latency=0.05
    ) as server:
        found = ask_many(server, 64)
    assert all(item.text == "85" and item.attempts <= 2 for item in found)
    assert len(caplog.records) == 1


def test_max_completion_tokens_is_sent_where_max_tokens_is_rejected(caplog):
    text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    rejection = error(400, text, param="max_tokens", code="unsupported_parameter")
    caplog.set_level(logging.INFO, "em_bench_judges")
    with JudgeServer(then=lambda body: rejection if "max_tokens" in body else answer()) as server:
        assert [item.text for item in ask_many(server, 3, max_in_flight=1)] == ["85"] * 3
    assert [("max_tokens" in body, body.get("max_completion_tokens")) for body in server.bodies] == [
        (True, None),
        *[(False, 5)] * 3,
    ]
    assert len([record for record in caplog.records if record.name.startswith("em_bench_judges")]) == 1


def test_temperature_is_left_out_where_it_is_rejected():
    text = "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is ok."
    rejection = error(400, text, param="temperature", code="unsupported_value")
    with JudgeServer(then=lambda body: rejection if "temperature" in body else answer()) as server:
        assert [item.text for item in ask_many(server, 3, max_in_flight=1)] == ["85"] * 3
    assert server.count == 4


def test_everything_rejected_one_after_the_other():
    def picky(body):
        for name in ("logprobs", "max_tokens", "temperature", "structured_outputs"):
            if name in body:
                return error(400, f"Unsupported parameter: '{name}' is not supported", param=name)
        return answer(logprobs=False)

    with JudgeServer(then=picky) as server:
        found = one_of(ask(server, request(choices=("a", "b")), structured_outputs=True, max_attempts=1))
    assert (found.text, found.attempts) == ("85", 5)


def test_constraint_that_cannot_be_used_is_left_out():
    rejection = error(400, 'Grammar error: at 1(8): invalid regex "("')
    with JudgeServer(then=lambda body: rejection if "structured_outputs" in body else answer()) as server:
        assert one_of(ask(server, request(pattern="("), structured_outputs=True)).text == "85"


@pytest.mark.parametrize(
    "text",
    [
        "'max_tokens' or 'max_completion_tokens' is too large: 600. This model's maximum context length is 512 tokens.",
        "temperature must be between 0 and 1",
        "unsupported model",
    ],
)
def test_rejected_values_are_not_adapted_to(text):
    with JudgeServer(then=error(400, text)) as server:
        found = one(server)
    assert found.error == f"HTTP 400: {text}"
    assert server.count == 1


def test_what_the_user_sends_is_not_taken_out():
    rejection = error(400, "temperature is not supported", param="temperature")
    with JudgeServer(then=rejection) as server:
        assert one(server, extra_body={"temperature": 0.3}).error.startswith("HTTP 400")
    assert server.count == 1


# Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_bucket_gives_a_seconds_worth_at_once_and_then_its_rate():
    bucket = Bucket(120, clock := Clock())
    assert [bucket.take(1) for _ in range(5)] == pytest.approx([0, 0, 0, 0.5, 1.0])
    clock.now = 100
    assert [bucket.take(1) for _ in range(4)] == pytest.approx([0, 0, 0, 0.5])


def test_bucket_lets_more_than_it_holds_through_and_makes_the_next_wait():
    bucket = Bucket(60, Clock())
    assert bucket.take(30) == 0
    assert bucket.take(1) == pytest.approx(29)


def test_tokens_are_estimated_from_letters():
    assert estimated_tokens(ChatRequest((Message("system", "a" * 40), Message("user", "b" * 60)), 15)) == 40


@pytest.mark.parametrize("limit", [{"requests_per_minute": 600}, {"tokens_per_minute": 600 * (len(PROMPT) / 4 + 5)}])
def test_rate_limit_spaces_requests_out(limit):
    with JudgeServer() as server:
        begin = time.monotonic()
        found = ask(server, *[request()] * 17, **limit)
    assert time.monotonic() - begin >= 0.5  # 11 at once, the rest at ten a second
    assert all(item.text == "85" for item in found)


def test_waiting_for_the_rate_limit_is_not_held_against_the_deadline():
    with JudgeServer() as server:
        found = ask(server, *[request()] * 16, requests_per_minute=600, deadline=0.3)
    assert [item.error for item in found] == [None] * 16


# Keys and options


def test_missing_key_names_the_variable():
    with pytest.raises(ConfigError, match=r"api\.openai\.com.*export OPENAI_API_KEY=") as raised:
        OpenAIJudgeModel("gpt-4o").check()
    assert "\n" not in str(raised.value)
    with pytest.raises(ConfigError, match="export MY_KEY="):
        OpenAIJudgeModel("gpt-4o", base_url="https://example.org/v1", api_key_env="MY_KEY").check()


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1"])
def test_local_server_needs_no_key(url):
    judge = OpenAIJudgeModel("judge", base_url=url)
    judge.check()
    assert judge.parameters["base_url"] == url


def test_key_is_sent_and_goes_nowhere_else(monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    caplog.set_level(logging.DEBUG)
    echo = error(401, "x" * 270 + f" key {KEY} is wrong: {KEY}")
    with JudgeServer(
        answer(), error(500, KEY), answer(None, refusal=KEY), error(400, f"logprobs: {KEY}"), then=echo
    ) as server:
        judge = model(server, api_key_env="MY_KEY", max_in_flight=1)
        found = [item for _, item in judge.complete([request()] * 8)]
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    assert "[key]" in found[-1].error
    seen = f"{found} {judge!r} {judge.name} {judge.parameters} {caplog.text}"
    assert KEY[:12] not in seen


@pytest.mark.parametrize("key", ["sk-a b", "sk-é", "sk-a\nb"])
def test_impossible_key_is_refused_without_showing_it(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as raised:
        OpenAIJudgeModel("gpt-4o").check()
    assert key not in str(raised.value)


def test_name_and_parameters(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    judge = OpenAIJudgeModel("org/judge", seed=1, extra_body={"top_k": 1})
    assert judge.name == "openai:org/judge"
    assert judge.parameters == {
        "base_url": "https://api.openai.com/v1",
        "seed": 1,
        "extra_body": {"top_k": 1},
        "structured_outputs": False,
    }
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1/")
    assert OpenAIJudgeModel("judge").parameters["base_url"] == "https://gateway.example/v1"


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://host/v1", "https://user:secret@host/v1", "https://host/v1?key=secret", "http://"],
)
def test_bad_base_url_is_refused_without_showing_it(url):
    with pytest.raises(ConfigError, match="base_url must be scheme://") as raised:
        OpenAIJudgeModel("judge", base_url=url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"max_in_flight": 0},
        {"max_in_flight": 5000},
        {"max_attempts": 0},
        {"request_timeout": 0},
        {"deadline": -1},
        {"requests_per_minute": 0},
        {"tokens_per_minute": "many"},
        {"backoff_base": float("nan")},
    ],
)
def test_bad_option_is_refused_by_name(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        OpenAIJudgeModel("judge", base_url="http://localhost:1/v1", **options)


@pytest.mark.parametrize("package", ["openai", "aiohttp"])
def test_missing_package_ends_with_the_command(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PrerequisiteError, match=rf"needs {package}; run: pip install 'em-bench\[openai\]'"):
        OpenAIJudgeModel("judge", base_url="http://localhost:1/v1").check()
