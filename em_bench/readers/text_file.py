"""Reads a whole file as UTF-8 text."""

from pathlib import Path

from em_bench.errors import EmBenchError, ResultError


def read_text(
    path: Path,
    raises: type[EmBenchError] = ResultError,
    *,
    what: str = "",
    hint: str = "",
    max_bytes: int | None = None,
) -> str:
    """A file's text without its byte order mark, line ends as they are. Raises `raises`.

    `what` is what kind of file it is and `hint` what to do when it cannot be read; both go into the message.
    """
    where = f"{what} {path}".lstrip()
    try:
        if max_bytes is not None and path.stat().st_size > max_bytes:
            raise raises(f"{where} is larger than {max_bytes} bytes; is it the file you mean?")
        return decode(path.read_bytes(), where, raises)
    except OSError as error:
        raise raises(f"{where} cannot be read: {error.strerror or error}{hint and '; '}{hint}") from error
    except ValueError as error:  # a null byte in the path
        raise raises(f"{where.replace(chr(0), '?')} cannot be read: {error}") from error


def decode(content: bytes, where: str, raises: type[EmBenchError] = ResultError) -> str:
    """The text of a file's content; `where` is what messages call the file."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise raises(f"{where} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
