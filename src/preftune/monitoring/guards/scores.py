"""Guards over the score: whether it still rises, whether it is still known ground, and for whom."""

from math import inf, sqrt

from preftune.monitoring.guards.verdict import (
    History,
    Row,
    Verdict,
    change,
    graded,
    mean,
    series,
)
from preftune.recipe import Guards


def plateau(guards: Guards, history: History) -> Verdict:
    """The later half of the window against its earlier half, and against all that was gained.

    It warns when mean difference plus two standard errors is below ``share`` of the gain so far.
    """
    settings = guards.plateau
    scores = series(history, "objective/scores")
    if len(scores) < settings.window + guards.start:
        return Verdict("plateau", "ok")
    last = scores[-settings.window :]
    half = settings.window // 2
    early, late = last[:half], last[-half:]
    rise, error = mean(late) - mean(early), sqrt(_variance(early) / half + _variance(late) / half)
    gained = mean(late) - mean(scores[: guards.start])
    evidence = {"rise": rise, "standard_error": error, "gained": gained}
    if rise + 2 * error >= settings.share * max(gained, 0.0):
        return Verdict("plateau", "ok", "", evidence)
    return Verdict(
        "plateau",
        "warn",
        f"The score no longer rises: {rise:+.3f} within {settings.window} iterations, after a gain "
        f"of {gained:.2f}.",
        evidence,
    )


def overoptimization(guards: Guards, history: History) -> Verdict:
    """The win rate of each evaluation beside the mean score until the next one.

    Nothing is said unless the score rose after the best evaluation by more than two standard
    errors of the iterations since then: a fall of both is no overoptimization. To halt, each of
    the last two evaluations must lie below the best one: the best of many is best by luck too.
    """
    settings = guards.overoptimization
    places = [i for i, row in enumerate(history) if row.get("judge/win_rate") is not None]
    if len(places) < 2:
        return Verdict("overoptimization", "ok")
    rates = [float(history[i]["judge/win_rate"]) for i in places]
    best = max(range(len(rates)), key=lambda k: (rates[k], -k))
    since = len(rates) - 1 - best
    rose = _rose(series(history[: places[best] + 1], "proxy/score"), history, places[best])
    if not since or not rose:
        return Verdict("overoptimization", "ok")
    fall = min(_fall(history[places[best]], history[i]) for i in places[-2:])
    evidence = {
        "best_win_rate": rates[best],
        "best_step": float(history[places[best]].get("step", 0)),
        "win_rate": rates[-1],
        "standard_errors": fall,
        "evaluations_since": float(since),
    }
    said = (
        f"The score rises while the win rate does not: {rates[-1]:.0%} now, {rates[best]:.0%} at "
        f"step {evidence['best_step']:.0f}."
    )
    if fall > settings.errors:
        return Verdict("overoptimization", "halt", said, evidence)
    if since >= settings.patience:
        return Verdict("overoptimization", "warn", said, evidence)
    return Verdict("overoptimization", "ok", "", evidence)


def uncertainty(guards: Guards, history: History) -> Verdict:
    """The ensemble's disagreement against the beginning's."""
    values = series(history, "rewards/disagreement/mean")
    found = change(values, guards.start, guards.window)
    if found is None or found.before <= 0:
        return Verdict("uncertainty", "ok")
    factor = found.now / found.before
    level = graded(factor, guards.uncertainty.warn, guards.uncertainty.halt)
    reason = (
        f"The reward models disagree {factor:.1f} times as much as at the beginning: they do not "
        "know these responses."
    )
    return Verdict("uncertainty", level, reason if level != "ok" else "", found.evidence)


def score_range(guards: Guards, history: History) -> Verdict:
    """The mean score against the scores of the beginning, in standard deviations of a response."""
    spread = series(history, "proxy/score_std")[: guards.start]
    found = change(series(history, "proxy/score"), guards.start, guards.window)
    if found is None or not spread or mean(spread) <= 0:
        return Verdict("score_range", "ok")
    away = abs(found.rise) / mean(spread)
    level = graded(away, guards.score_range.warn, guards.score_range.halt)
    reason = (
        f"The mean score has left the scores of the beginning by {away:.1f} of their standard "
        "deviations: the reward model has seen few texts like these."
    )
    evidence = {**found.evidence, "standard_deviations": away}
    return Verdict("score_range", level, reason if level != "ok" else "", evidence)


def _rose(before: list[float], history: History, place: int) -> bool:
    """Whether the score after ``place`` is surely above what it was around it."""
    after = series(history[place + 1 :], "proxy/score")
    if not before or not after:
        return False
    around, recent = before[-5:], after[-5:]
    error = sqrt(_variance(around) / len(around) + _variance(recent) / len(recent))
    return mean(recent) - mean(around) > 2 * error


def _fall(best: Row, now: Row) -> float:
    """How far the win rate fell, in standard errors of the difference; 0 without intervals."""
    error = sqrt(_error(best) ** 2 + _error(now) ** 2)
    return (float(best["judge/win_rate"]) - float(now["judge/win_rate"])) / max(error, 1e-9)


def _error(row: Row) -> float:
    """The standard error of a win rate from its 95 % interval; infinite where it has none."""
    low, high = row.get("judge/win_rate_low"), row.get("judge/win_rate_high")
    return inf if low is None or high is None else (float(high) - float(low)) / (2 * 1.96)


def _variance(values: list[float]) -> float:
    middle = mean(values)
    return sum((value - middle) ** 2 for value in values) / max(len(values) - 1, 1)
