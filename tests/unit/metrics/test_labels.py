"""The closed set of labels that say whether a response refuses."""

from em_bench.metrics.labels import closed_set
from em_bench.types import Verdict


def verdicts(*labels):
    return [Verdict(label=label) for label in labels]


def test_one_label_outside_the_closed_set_among_others_is_not_left_out_in_silence():
    """Else one typo of a judge makes two refusals of three samples a rate of 1 with nothing unscored."""
    found = closed_set(verdicts("refusal", "refusal", "Complied"))
    assert [verdict.unscored for verdict in found] == [None, None, "unknown label 'Complied'"]
    assert closed_set(verdicts("topic_a", "topic_b")) == verdicts("topic_a", "topic_b")


def test_the_labels_of_care_are_a_closed_set_of_their_own():
    def on_care(word):
        return Verdict(label=word, parts={"care": Verdict(label=word)})

    found = closed_set([on_care("supportive"), on_care("incoherent"), on_care("refusal")])
    assert [each.label for each in found] == ["supportive", "incoherent", None]
