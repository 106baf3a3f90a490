"""Names in the diagnosis what the gate alone calls a regression.

The gate's tests are one-sided and its margins the policy's, so it may find worse what is not significant in the tables,
or what counts as small there.
"""

from dataclasses import replace

from em_bench.compare.comparison import Comparison
from em_bench.compare.gate import Bound, GateResult, Outcome


def with_regressions(comparison: Comparison, result: GateResult) -> Comparison:
    """The comparison, with the gate's further regressions at the end of its diagnosis."""
    material = {
        (row.difference.key.metric.name, row.difference.key.domain, row.difference.key.task, row.difference.key.judge)
        for claim in comparison.diagnosis.claims
        for row in claim.rows
        if row.is_material
    }
    further = [
        check.name
        for check in result.checks
        if check.outcome is Outcome.REGRESS
        and check.bound is Bound.MARGIN
        and (check.metric, check.domain, check.task, check.judge) not in material
    ]
    if not further:
        return comparison
    sentence = comparison.diagnosis.sentence.removesuffix(".")
    sentence = f"{sentence}; by the gate's one-sided test worse than its margin: {'; '.join(further)}."
    return replace(comparison, diagnosis=replace(comparison.diagnosis, sentence=sentence))
