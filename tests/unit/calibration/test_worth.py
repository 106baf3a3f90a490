from em_bench.calibration.calibrate import calibrate, read_calibration, write_calibration
from em_bench.calibration.confusion import Counts, Decision, Pair
from em_bench.calibration.correct import correct
from em_bench.calibration.worth import Worth, worth_of
from em_bench.stats.intervals import binary_rate
from em_bench.types import Sample, Verdict


def pair(number, prompt, label="refusal", verdict="refusal", **metadata):
    sample = Sample(f"{number}", "t", "", prompt, "response", metadata=metadata)
    return Pair(sample, label, Verdict(label=verdict))


def alike(probes=10, labels=10):
    """Two probes on which the judge is always wrong, and others on which it never is, of both labels."""
    return [
        pair(f"{label}{probe}{number}", f"{label} {probe}", label, other if probe < 2 else label)
        for label, other in (("refusal", "compliance"), ("compliance", "refusal"))
        for probe in range(probes)
        for number in range(labels)
    ]


def test_one_label_a_prompt_is_independent():
    assert worth_of([pair(number, f"prompt {number}") for number in range(20)], Decision()) is None


def test_labels_without_a_prompt_are_independent():
    assert worth_of([pair(number, "") for number in range(20)], Decision()) is None


def test_labels_of_one_prompt_that_are_alike_are_worth_about_one():
    worth = worth_of(alike(), Decision())
    assert 4 < worth.positives < 20  # of 100 labels of 10 prompts


def test_the_forms_of_a_probe_are_one_cluster():
    forms = [pair(number, f"form {number}", cluster=f"probe {number // 10}") for number in range(100)]
    assert worth_of(forms, Decision()).positives < 50


def test_clustered_labels_widen_a_corrected_rate():
    rate, counts = binary_rate([True] * 300 + [False] * 700), Counts(80, 20, 10, 90)
    free, bound = correct(rate, counts)[0], correct(rate, counts, worth=Worth(10.0, 12.0))[0]
    assert bound.value == free.value
    assert bound.high - bound.low > 1.5 * (free.high - free.low)


def test_a_stored_calibration_keeps_what_its_labels_are_worth(tmp_path):
    own = calibrate(alike(), judge="keyword", version="1", reference="labels.csv")
    write_calibration(own, tmp_path / "judge.json")
    assert own.worth is not None
    assert read_calibration(tmp_path / "judge.json").worth == own.worth


def test_a_calibration_of_an_older_em_bench_is_of_independent_labels(tmp_path):
    path = tmp_path / "judge.json"
    own = calibrate(alike(), judge="keyword", version="1", reference="labels.csv")
    write_calibration(own, path)
    path.write_text(path.read_text().replace('"worth"', '"unknown"'))
    found = read_calibration(path)
    assert found.worth is None
    assert found.counts == own.counts
