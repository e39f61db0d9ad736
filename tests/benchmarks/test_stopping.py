"""Where each rule stops, on curves made by hand."""

from math import inf

from pytest import approx

from benchmarks.stopping import Curve, by_budget, by_guards, guards_of, loss, report


def curve(gold: list[float], kl: list[float], wins: list[float] | None = None) -> Curve:
    """A score that always rises, and a win rate with a standard error of .02."""
    rates = wins or [0.6] * len(gold)
    return Curve(
        "made",
        [
            {
                "step": i,
                "measured/score": g,
                "objective/kl": k,
                "proxy/score": float(i),
                "judge/win_rate": w,
                "judge/win_rate_low": w - 0.0392,
                "judge/win_rate_high": w + 0.0392,
            }
            for i, (g, k, w) in enumerate(zip(gold, kl, rates, strict=True))
        ],
    )


HUMP = [0.5, 0.6, 0.7, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
KLS = [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
WINS = [0.5, 0.6, 0.7, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]


def test_a_model_s_kl_is_measured_in_the_iteration_after_it() -> None:
    made = curve(HUMP, KLS)
    assert made.kl == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 8.0]
    stop = by_budget(made, 3.5)
    assert (stop.at, stop.kept, stop.stopped) == (4, 3, True)
    assert loss(made, stop) == 0
    never = by_budget(made, inf)
    assert (never.kept, never.stopped) == (9, False)
    assert loss(made, never) == approx(0.6)


def test_guards_stop_where_the_second_judge_turns() -> None:
    strict, patient = (
        by_guards(curve(HUMP, KLS, WINS), guards_of(1)),
        by_guards(curve(HUMP, KLS), guards_of(1)),
    )
    assert strict.stopped and 3 <= strict.kept <= 5
    assert not patient.stopped, "the second judge saw nothing"


def test_rules_are_fixed_on_the_tuning_runs_alone() -> None:
    tuning = [curve(HUMP, KLS, WINS)] * 2
    late = curve(HUMP[:1] * 4 + HUMP[:6], [0.0] * 4 + KLS[:6], WINS[:1] * 4 + WINS[:6])
    found = report([late], tuning, error=0.02)
    rules = {rule["rule"]: rule for rule in found["rules"]}
    assert "KL budget of 3 nats" in rules, "the largest budget that keeps the peak"
    assert rules["KL budget of 3 nats"]["losses"] == [0.0]
    assert rules["no stopping"]["losses"] == [approx(0.2)]
    assert found["peaks"] == [0.8]


def test_a_stop_before_gold_went_on_rising_is_false() -> None:
    early = curve([0.5, 0.6, 0.7, 0.8], [0.0, 1.0, 2.0, 3.0])
    found = report([early], [curve([0.8, 0.1, 0.1, 0.1], [0.0, 1.0, 2.0, 3.0])], error=0.02)
    budget = next(rule for rule in found["rules"] if rule["rule"].startswith("KL"))
    assert budget["false_stops"] == 1 and budget["stopped"] == 1
    none = next(rule for rule in found["rules"] if rule["rule"] == "no stopping")
    assert none["false_stops"] == 0
