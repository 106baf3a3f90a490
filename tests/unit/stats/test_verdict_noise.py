import numpy as np
import pytest

from em_bench.stats.power import Rule
from em_bench.stats.verdict_noise import VerdictNoise, churn_behind

RULE = Rule(margin=0.1, pass_level=0.05, regress_level=0.05 / 9)


def test_three_independent_readings_have_the_majority_s_error():
    assert VerdictNoise(0.02, 0.05, readings=3).flips == pytest.approx(3 * 0.05**2 * 0.95 + 0.05**3)


def test_readings_do_not_help_with_errors_that_repeat():
    assert VerdictNoise(0.02, 0.05, readings=3, repeating=1.0).flips == pytest.approx(0.05)


def test_equal_responses_have_no_disagreement():
    assert VerdictNoise(0.0, 0.05, equal_share=1.0).discordance == 0


@pytest.mark.parametrize("worse", [0.0, 0.15])
def test_gains_and_losses_are_those_of_simulated_verdicts(worse):
    noise, n = VerdictNoise(0.03, 0.04), 400_000
    random = np.random.default_rng(1)
    before = random.random(n) < 0.9
    turned = random.random(n) < np.where(before, (0.03 + worse) / 0.9, 0.03 / 0.1)
    seen = [truth ^ (random.random(n) < 0.04) for truth in (before, before ^ turned)]
    gained, lost = (~seen[0] & seen[1]).mean(), (seen[0] & ~seen[1]).mean()
    # beside the difference of rates, which errors of a rate far from one half move alike on both sides
    assert gained + lost == pytest.approx(noise.discordance if not worse else sum(noise.turned(worse)), abs=0.002)
    assert lost - gained == pytest.approx(noise.turned(worse)[1] - noise.turned(worse)[0], abs=0.002)


def test_the_churn_is_what_errors_do_not_explain():
    noise = VerdictNoise(0.03, 0.04, equal_share=0.25)
    assert churn_behind(noise.discordance, 0.04, 0.25) == pytest.approx(0.03)
    assert churn_behind(0.01, 0.04) == 0


def test_the_prompts_needed_give_the_power_and_a_few_less_do_not():
    noise = VerdictNoise(0.02, 0.02)
    needed = noise.prompts_needed(RULE, 0.9)
    assert noise.decisions(needed, RULE).passes >= 0.9 > noise.decisions(needed * 4 // 5, RULE).passes


def test_what_is_found_is_found_with_the_power():
    noise = VerdictNoise(0.02, 0.05)
    worse = noise.finds(108, RULE, 0.8)
    assert noise.decisions(108, RULE, worse).regresses >= 0.8 > noise.decisions(108, RULE, worse - 0.01).regresses
