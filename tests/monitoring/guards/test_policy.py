"""Each guard over the policy: a history in which it must speak, and one in which it must not."""

import pytest

from preftune.monitoring.guards import policy
from tests.monitoring.guards.made import DEFAULT, steady, then


@pytest.mark.parametrize(
    ("nats", "level"), [(2.0, "ok"), (5.0, "ok"), (6.0, "warn"), (20.0, "warn"), (21.0, "halt")]
)
def test_kl_counts_by_the_token(nats: float, level: str) -> None:
    """Ten tokens: .5 and 2 nats a token are 5 and 20 a response."""
    verdict = policy.kl(DEFAULT, steady(5, objective__kl=nats, completions__mean_length=10.0))
    assert verdict.level == level
    assert verdict.evidence["nats_a_token"] == pytest.approx(nats / 10)
    assert ("nats a token" in verdict.reason) == (level != "ok")


def test_kl_of_long_answers_is_no_alarm() -> None:
    history = steady(5, objective__kl=40.0, completions__mean_length=400.0)
    assert policy.kl(DEFAULT, history).level == "ok"


def test_kl_waits_for_its_window() -> None:
    history = steady(4, objective__kl=900.0, completions__mean_length=10.0)
    assert policy.kl(DEFAULT, history).level == "ok"


@pytest.mark.parametrize(
    ("now", "level"), [(2.0, "ok"), (0.7, "ok"), (0.59, "warn"), (0.21, "warn"), (0.19, "halt")]
)
def test_entropy_is_held_against_the_beginning(now: float, level: str) -> None:
    """It began at 2 nats: .6 is three tenths of it, .2 one tenth."""
    verdict = policy.entropy(DEFAULT, steady(8, policy__entropy_avg=then(2.0, now)))
    assert verdict.level == level
    assert verdict.evidence == pytest.approx({"beginning": 2.0, "now": now})


def test_a_policy_that_begins_sharp_has_not_collapsed() -> None:
    assert policy.entropy(DEFAULT, steady(8, policy__entropy_avg=0.05)).level == "ok"


def test_explained_variance() -> None:
    bad = steady(8, value__explained_variance=then(-3.0, -0.2))
    good = steady(8, value__explained_variance=then(-3.0, 0.4))
    assert policy.explained_variance(DEFAULT, bad).level == "warn"
    assert "-20%" in policy.explained_variance(DEFAULT, bad).reason
    assert policy.explained_variance(DEFAULT, good).level == "ok"
    assert policy.explained_variance(DEFAULT, bad[:7]).level == "ok", "the critic has its start"


@pytest.mark.parametrize(
    ("gap", "level"), [(0.0, "ok"), (0.01, "ok"), (0.05, "warn"), (0.3, "halt")]
)
def test_the_sampler_must_be_the_policy(gap: float, level: str) -> None:
    history = steady(2, **{"sampling/sampling_logp_difference/mean": [0.0, gap]})
    assert policy.mismatch(DEFAULT, history).level == level


def test_no_sampler_s_numbers_no_verdict() -> None:
    assert policy.mismatch(DEFAULT, steady(3)).level == "ok"


def test_a_number_that_is_none_halts_at_once() -> None:
    history = [*steady(2, loss=1.0), {"step": 3, "loss": None, "nonfinite": ["loss"]}]
    verdict = policy.non_finite(DEFAULT, history)
    assert (verdict.level, verdict.reason) == ("halt", "loss is not a finite number.")
    assert policy.non_finite(DEFAULT, history[:2]).level == "ok"
