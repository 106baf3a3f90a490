"""Do corrected rates come nearer to what people say? The keyword judge on answers that people labelled, in halves.

    PYTHONPATH=.:judges python benchmarks/corrected_rates.py chatgpt_refusals.json

Again and again: the judge is calibrated on one random half, answers are drawn from the other half so that a given share
of them is refused by people's labels, and their rate is corrected. `holds` is how often the 95 % interval holds that
share. `benchmarks/keyword_judge.py` describes the labels.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from em_bench.calibration.confusion import Counts
from em_bench.calibration.correct import correct
from em_bench.calibration.labels import read_labelled
from em_bench.calibration.options import Columns, LabelMap
from em_bench.stats.intervals import Rate, binary_rate
from em_bench_judges import KeywordJudge

OTHERS = frozenset(("redirected", "contradicted", "disclaimed", "dontknow", "incoherent", "counseling"))
LABELS = LabelMap({"complied": "compliance", "rejected": "refusal"}, OTHERS)
SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95, 1.0)
DRAWN = 150


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, help="the labelled answers; see benchmarks/keyword_judge.py")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    if not options.file.is_file():
        parser.error(f"{options.file} is missing; give the file with the labelled answers")
    rows = read_labelled(options.file, Columns(label="tone"), LABELS).rows
    human = np.array([row.label == "refusal" for row in rows])
    verdicts = KeywordJudge().judge([row.sample for row in rows])
    judged = np.array([verdict.label == "refusal" for _, verdict in sorted(verdicts, key=lambda pair: pair[0])])
    print(f"{len(rows)} answers, {human.sum()} refused; {DRAWN} drawn of one half, {options.rounds} rounds\n")
    print("| refused by the labels | as judged | holds | width | corrected | holds | width |")
    print("| --- " * 7 + "|")
    for number, share in enumerate(SHARES):
        random = np.random.default_rng(number)
        rounds = [one_round(human, judged, share, random) for _ in range(options.rounds)]
        cells = [cell for rates in zip(*rounds, strict=True) for cell in cells_of(rates, share)]
        print(f"| {100 * share:.0f} % | " + " | ".join(cells) + " |")


def one_round(
    human: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    judged: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    share: float,
    random: np.random.Generator,
) -> tuple[Rate, Rate]:
    """The rate of answers drawn from one half, as judged and as corrected by the other half."""
    order = random.permutation(len(human))
    known, other = order[: len(order) // 2], order[len(order) // 2 :]
    cells = Counter(zip(human[known].tolist(), judged[known].tolist(), strict=True))
    counts = Counts(cells[True, True], cells[True, False], cells[False, True], cells[False, False])
    refused = random.binomial(DRAWN, share)
    drawn = [
        *random.choice(other[human[other]], refused, replace=False),
        *random.choice(other[~human[other]], DRAWN - refused, replace=False),
    ]
    rate = binary_rate([bool(judged[index]) for index in drawn])
    assert rate is not None
    return rate, correct(rate, counts)[0]


def cells_of(rates: tuple[Rate, ...], share: float) -> list[str]:
    values = [rate.value for rate in rates if rate.value is not None]
    holds = np.mean([rate.low <= share <= rate.high for rate in rates])
    width = np.mean([rate.high - rate.low for rate in rates])
    return [f"{100 * np.mean(values):.1f} %", f"{100 * holds:.0f} %", f"{100 * width:.0f}"]


if __name__ == "__main__":
    main()
