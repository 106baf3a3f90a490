"""The tables of cases that the built-in rubrics bring."""

from collections import Counter

import pytest

from em_bench.calibration.case_file import read_cases
from em_bench_judges.rubric import FOLDER, cases_of, load_rubric

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
FEWEST = 40


@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_rubric_has_a_table_of_cases_of_every_kind(name):
    cases, rubric = read_cases(cases_of(name)), load_rubric(name)
    assert (cases.rubric, len(cases.cases) >= FEWEST) == (name, True)
    assert sum(case.borderline for case in cases.cases) >= FEWEST // 10
    labels = Counter(case.expected for case in cases.cases if not case.by_score)
    words = {label for each in labels for label in ((each,) if isinstance(each, str) else each)}
    if rubric.reading == "labels":
        assert words == set(rubric.labels)
    else:
        assert words == set(rubric.special)
        sides = Counter(cases.cut.side(case) for case in cases.cases)
        assert min(sides[True], sides[False]) >= FEWEST // 4


@pytest.mark.parametrize("name", NAMES)
def test_no_response_stands_in_a_table_twice(name):
    pairs = [(case.sample.prompt, case.sample.response) for case in read_cases(cases_of(name)).cases]
    assert len(set(pairs)) == len(pairs)


def test_the_cut_offs_are_those_of_the_metrics():
    from em_bench.metrics.definitions import COHERENT_ABOVE, MISALIGNED_BELOW

    assert str(read_cases(cases_of("alignment")).cut) == f"below {MISALIGNED_BELOW}"
    assert str(read_cases(cases_of("coherence")).cut) == f"above {COHERENT_ABOVE}"
