"""Each check on numbers worked out by hand; what a refusal says; the thresholds' two ends."""

from typing import Any

import pytest

from preftune.pipeline import gates
from preftune.recipe.gate import (
    AccuracyCheck,
    AgreementCheck,
    AlignmentTaxCheck,
    CalibrationCheck,
    DiversityCheck,
    NumberCheck,
    RewardCheck,
    WinRateCheck,
    condition,
)
from preftune.records import BadInput, Prompt, Vote, VotedPair

S = "stage:x/summary"


def estimate(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "count": 100}


SUMMARY: dict[str, Any] = {
    "reward_model": {"accuracy": estimate(0.62, 0.57, 0.67), "ece": 0.08},
    "win_rates": [
        {"policy": "ppo", "against": "sft", "win_rate": estimate(0.55, 0.48, 0.62)},
        {"policy": "ppo", "against": "base", "win_rate": estimate(0.8, 0.75, 0.85)},
    ],
    "policies": {
        "ppo": {
            "distinct_2": 0.09,
            "words": estimate(12, 11, 13),
            "alignment_tax": estimate(0.07, 0.05, 0.12),
        },
        "sft": {"distinct_2": 0.2},
    },
}


def voted(prompt: str, *votes: str) -> VotedPair:
    given = tuple(Vote(f"l{place}", vote) for place, vote in enumerate(votes))
    return VotedPair(Prompt(prompt), "x", "y", given)


def test_agreement_counts_pairs_of_votes() -> None:
    """aab agrees in one of three pairs of votes, aa in all, ab in none, a alone says nothing."""
    pairs = [voted("1", "a", "a", "b"), voted("2", "a", "a"), voted("3", "a", "b"), voted("4", "a")]
    finding = gates.agreement("votes", AgreementCheck(labels="l", by="value"), pairs)
    assert finding.value.value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert not finding.passed and finding.evidence == "3 pairs with two votes or more"
    surely = gates.agreement(
        "v", AgreementCheck(labels="l"), [voted(str(n), "a", "a") for n in range(40)]
    )
    assert surely.passed and surely.value.value == 1.0 and surely.counted < 1.0


def test_agreement_needs_two_votes() -> None:
    with pytest.raises(BadInput, match="needs pairs with two votes"):
        gates.agreement("votes", AgreementCheck(labels="l"), [voted("1", "a")])


def test_the_worse_end_counts() -> None:
    by_interval = gates.accuracy("a", AccuracyCheck(of=S, at_least=0.6), SUMMARY)
    by_value = gates.accuracy("a", AccuracyCheck(of=S, at_least=0.6, by="value"), SUMMARY)
    assert (by_interval.counted, by_interval.passed) == (0.57, False)
    assert (by_value.counted, by_value.passed) == (0.62, True)
    assert by_interval.sentence == (
        "reward model accuracy is 0.62 (0.57 to 0.67), needed at least 0.6 at the lower end"
    )


def test_accuracy_and_calibration_of_a_reward_stage_s_own_validation() -> None:
    own = {
        "best_eval_accuracy": 0.7,
        "coverage": [{"accuracy": estimate(0.71, 0.69, 0.73)}],
        "calibration": {"after": {"ece": 0.02}},
    }
    assert gates.accuracy("a", AccuracyCheck(of=S), own).counted == 0.69
    assert gates.calibration("c", CalibrationCheck(of=S), own).passed
    assert not gates.calibration("c", CalibrationCheck(of=S, at_most=0.05), SUMMARY).passed


def test_win_rate() -> None:
    check = WinRateCheck(of=S, policy="ppo", against="sft")
    finding = gates.win_rate("w", check, SUMMARY)
    assert not finding.passed, "the interval holds a draw"
    assert gates.win_rate("w", check.model_copy(update={"against": "base"}), SUMMARY).passed
    with pytest.raises(BadInput, match="measured no win rate of ppo against gpt"):
        gates.win_rate("w", check.model_copy(update={"against": "gpt"}), SUMMARY)


def test_reward_is_paired_by_prompt() -> None:
    """Differences .4, .6, .5, .5 although the prompts' own levels lie far apart."""
    samples = [
        {
            "id": str(place),
            "samples": [
                {"policy": "sft", "scores": {"proxy": level}},
                {"policy": "ppo", "scores": {"proxy": level + gain}},
            ],
        }
        for place, (level, gain) in enumerate([(-5, 0.4), (5, 0.6), (0, 0.5), (2, 0.5)])
    ]
    finding = gates.reward("r", RewardCheck(of=S, policy="ppo", against="sft"), samples)
    assert finding.value.value == pytest.approx(0.5) and finding.passed
    with pytest.raises(BadInput, match="no judge score"):
        gates.reward("r", RewardCheck(of=S, policy="ppo", against="sft", score="judge"), samples)


def test_alignment_tax_is_held_at_its_upper_end() -> None:
    check = AlignmentTaxCheck(of=S, policy="ppo")
    finding = gates.alignment_tax("t", check, SUMMARY)
    assert (finding.counted, finding.passed) == (0.12, False)
    assert gates.alignment_tax("t", check.model_copy(update={"by": "value"}), SUMMARY).passed


def test_diversity_is_a_share() -> None:
    finding = gates.diversity("d", DiversityCheck(of=S, policy="ppo", against="sft"), SUMMARY)
    assert finding.value.value == pytest.approx(0.45) and not finding.passed
    assert "0.090 and 0.200" in finding.evidence


def test_any_number() -> None:
    words = NumberCheck(of=S, path="policies.ppo.words", at_most=12.5)
    finding = gates.number("n", words, SUMMARY)
    assert finding.counted == 13 and not finding.passed
    nested = NumberCheck(of=S, path="win_rates.1.win_rate", at_least=0.7)
    assert gates.number("n", nested, SUMMARY).passed
    with pytest.raises(BadInput, match="has no policies.ppo.wrods"):
        gates.number("n", NumberCheck(of=S, path="policies.ppo.wrods", at_most=1), SUMMARY)


def test_a_number_has_one_threshold() -> None:
    with pytest.raises(ValueError, match="give at_least or at_most"):
        NumberCheck(of=S, path="x", at_least=1, at_most=2)


def test_conditions_in_words() -> None:
    check = WinRateCheck(of=S, policy="ppo", against="sft", at_least=0.55)
    assert condition(check) == "win rate of ppo against sft at least 0.55"
    assert condition(AlignmentTaxCheck(of=S, policy="ppo")) == "alignment tax of ppo at most 0.1"
