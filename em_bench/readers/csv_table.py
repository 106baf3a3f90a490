"""Reads CSV: a heading, then records that have as many fields as it."""

import csv
import io
import re
import sys
from collections.abc import Iterator

from em_bench.errors import EmBenchError, ResultError
from em_bench.text import shown

DELIMITERS = ",;\t"
_COMMENTS = re.compile(r"(# [^\n]*\n)*")


def csv_rows(
    text: str, where: str, raises: type[EmBenchError] = ResultError, *, strict: bool = True
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """The records of a CSV text, each with its place, `file:line` of its first line. Raises `raises`.

    Lines that begin with `# ` may stand before the heading. Unless `strict`, a record may be shorter than the heading
    (its last fields are None) or longer (what is beyond is left out), and quotes may be unbalanced.
    """
    records = _records(text, where, raises, strict=strict)
    place, heading = next(records, (where, []))
    names = [name.strip() for name in heading]
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise raises(f"{place} has two columns {shown(', '.join(repeated))}; rename one")
    for place, record in records:
        if strict and len(record) != len(names):
            count = f"{len(record)} field{'' if len(record) == 1 else 's'}"
            raise raises(f"{place} has {count}, but the header has {len(names)}")
        missing = [None] * (len(names) - len(record))
        yield place, dict(zip(names, [*record, *missing], strict=False))


def _records(text: str, where: str, raises: type[EmBenchError], *, strict: bool) -> Iterator[tuple[str, list[str]]]:
    csv.field_size_limit(sys.maxsize)
    comments = _COMMENTS.match(text)
    skipped = comments[0] if comments else ""
    text, before = text[len(skipped) :].replace("\x00", "\N{REPLACEMENT CHARACTER}"), skipped.count("\n")
    heading = text.partition("\n")[0]
    # the names of columns hold none of these: the one that is there separates them
    delimiter = max(DELIMITERS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    start = before + 1
    try:
        for record in reader:
            if record:
                yield f"{where}:{start}", record
            start = before + reader.line_num + 1
    except csv.Error as error:
        raise raises(f"{where}:{start} is not CSV: {error}") from error
