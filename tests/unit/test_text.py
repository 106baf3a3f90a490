"""Foreign text as it is shown."""

import logging
import sys

import pytest

from em_bench import notices
from em_bench.cli import _Prefixed
from em_bench.errors import ConfigError
from em_bench.text import error_line, message_line, shown, visible

HOSTILE = "a\x1b[31m\n::error::b \u202e##[set-env]x ##vso[task]y"


@pytest.mark.parametrize(
    "show", (shown, lambda text: error_line(ValueError(text)), lambda text: message_line(OSError(text)))
)
def test_what_a_terminal_or_a_ci_runner_obeys_is_not_shown(show):
    text = show(HOSTILE)
    assert text.isprintable()
    assert not text.startswith("::")
    assert "##[" not in text
    assert "##vso[" not in text


def test_a_name_is_one_line():
    assert shown("a\r\nb\x00\u2028c") == "a b\ufffd c"


def test_a_long_text_is_cut_and_its_spaces_collapse():
    assert shown("a \t b\n" * 100, 20) == "a b a b a b a b a..."
    assert len(shown("a" * 1_000_000)) == 200


def test_an_error_without_a_message_is_named_by_its_type():
    assert (error_line(ValueError()), message_line(ValueError())) == ("ValueError", "ValueError")
    assert (error_line(ValueError("a\nb")), message_line(ValueError("a\nb"))) == ("ValueError: a b", "a b")


def test_a_page_keeps_lines_spaces_and_joiners():
    assert visible("a\r\nb\rc\td\u00a0\u200de\x1b\u202ef") == "a\nb\nc\td\u00a0\u200de\ufffd\ufffdf"


def test_an_error_message_reaches_the_terminal_cleaned(monkeypatch, em_bench):
    def fail():
        raise ConfigError(HOSTILE)

    monkeypatch.setattr("em_bench.harness.doctor.diagnose", fail)
    ended = em_bench("doctor")
    assert (ended.code, ended.err) == (2, f"em-bench: {shown(HOSTILE)}\n")


def test_an_error_message_under_lm_eval_is_cleaned(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lm_eval"])
    with pytest.raises(SystemExit), notices.one_line_errors():
        raise ConfigError(HOSTILE)
    assert capsys.readouterr().err == f"em-bench: {shown(HOSTILE)}\n"


def test_a_warning_is_cleaned(caplog):
    notices.warn(HOSTILE)
    assert caplog.messages == [f"em-bench: {shown(HOSTILE)}"]
    record = logging.LogRecord("x", logging.WARNING, "x", 1, HOSTILE, None, None)
    assert _Prefixed().format(record) == f"em-bench: {shown(HOSTILE)}"
