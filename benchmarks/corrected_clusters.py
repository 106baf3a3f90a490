"""How often the interval of a corrected rate holds the truth where several labels are of one probe.

    python benchmarks/corrected_clusters.py --times 400

Each probe has its own rate, and the judge its own sensitivity and specificity on it (0.9 on average), from Beta
distributions with the intraclass correlation `alike`. Labels and the run that is corrected have different probes.
`independent` takes every label for an independent one; `by probe` is what `em-bench corrected` does.
"""

import argparse

import numpy as np

from em_bench.calibration.confusion import Counts, Decision, Pair
from em_bench.calibration.correct import correct
from em_bench.calibration.worth import worth_of
from em_bench.stats.intervals import Rate, clustered_rate
from em_bench.types import Sample, Verdict

RIGHT = 0.9
WORDS = {True: "refusal", False: "compliance"}
RUNS = {"40 x 10": (40, 10), "2000 x 1": (2000, 1)}


def main(times: int) -> None:
    print("| labels | alike | rate | run | independent | width | by probe | width |\n" + "|---" * 8 + "|")
    for probes, labels in ((20, 10), (40, 5)):
        for alike in (0.05, 0.3):
            for rate in (0.1, 0.3):
                for name, run in RUNS.items():
                    random = np.random.default_rng(5)
                    both = [corrected(random, (probes, labels), run, rate, alike) for _ in range(times)]
                    cells = [f"{probes} x {labels}", f"{alike:g}", f"{rate:g}", name]
                    for column in zip(*both, strict=True):
                        held = sum(each.low <= rate <= each.high for each in column) / times
                        width = sum(each.high - each.low for each in column) / times
                        cells += [f"{100 * held:.1f} %", f"{100 * width:.1f}"]
                    print("| " + " | ".join(cells) + " |", flush=True)


def corrected(
    random: np.random.Generator, labelled: tuple[int, int], run: tuple[int, int], rate: float, alike: float
) -> tuple[Rate, Rate]:
    """One run's rate, corrected by one set of labels: taken as independent, and by probe."""
    truth, judged = draw(random, labelled, rate, alike)
    cells = [int((truth == label).astype(int)[judged == verdict].sum()) for label, verdict in CELLS]
    pairs = [
        Pair(
            Sample(f"{probe}#{place}", "t", "", f"probe {probe}", ""),
            WORDS[bool(truth[probe, place])],
            Verdict(label=WORDS[bool(judged[probe, place])]),
        )
        for probe, place in np.ndindex(truth.shape)
    ]
    seen = clustered_rate([[bool(hit) for hit in probe] for probe in draw(random, run, rate, alike)[1]])
    assert seen is not None
    counts = Counts(*cells)
    return correct(seen, counts)[0], correct(seen, counts, worth=worth_of(pairs, Decision()))[0]


CELLS = ((True, True), (True, False), (False, True), (False, False))


def draw(random: np.random.Generator, shape: tuple[int, int], rate: float, alike: float):
    """By probe and response, the truth and what the judge says."""
    k = (1 - alike) / alike
    rates, sensitivities, specificities = (
        random.beta(mean * k, (1 - mean) * k, (shape[0], 1)) for mean in (rate, RIGHT, RIGHT)
    )
    truth = random.random(shape) < rates
    right = random.random(shape) < np.where(truth, sensitivities, specificities)
    return truth, truth == right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=400)
    main(parser.parse_args().times)
