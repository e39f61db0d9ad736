"""Reward hacking in a history: the score trained on still rises, the judge has turned down.

A judge's curve is noisy and its highest point is the luckiest one, so the peak is taken of
averages over ``width`` neighbouring points, and the fall has to be larger than chance makes the
largest of such averages stand out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preftune.records import Estimate
from preftune.reports.reading import number

FEWEST = 6
"""With fewer measurements by the judge nothing is said."""
STANDARD_ERRORS = 3.0
"""How many standard errors the judge must have lost, and the proxy gained."""
SHARE_LOST = 0.15
"""And the judge must have lost this share of its whole range, so that a wobble is no fall."""


@dataclass(frozen=True, slots=True)
class History:
    """Points at which the judge was asked, in the order of steps; all of one length.

    ``judge_name`` and ``proxy_name`` are metric names. ``noise`` is the judge's own standard
    error at each point where the history states one (a win rate with an interval), else empty.
    ``kl`` is NaN where it is not known.
    """

    judge_name: str
    proxy_name: str
    steps: tuple[int, ...]
    judge: tuple[float, ...]
    proxy: tuple[float, ...]
    kl: tuple[float, ...]
    noise: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a history shows. ``peak`` and ``last`` are averages over neighbouring points.

    ``peak_step`` is the step in the middle of the best points; ``judge_noise`` is the standard
    error of the difference between ``judge_peak`` and ``judge_last``.
    """

    hacked: bool
    peak_step: int
    judge_peak: float
    judge_last: float
    judge_noise: float
    proxy_at_peak: float
    proxy_last: float


def history(rows: Sequence[Mapping[str, Any]]) -> History | None:
    """The judge and the proxy side by side, or None where a run did not measure both.

    The judge is the one that only records (``measured/score``) where there is one, else
    ``judge/score``, or ``judge/win_rate`` where there is no score. The proxy is
    ``proxy/score`` (as the reward model gave it), or ``objective/scores``. Both and the KL are
    measured on responses sampled before a row's update and the judge is asked after it, so a
    judgement goes with those of the row that follows, or with the last ones known.
    """
    judge = _first_present(rows, ("measured/score", "judge/score", "judge/win_rate"))
    proxy = _first_present(rows, ("proxy/score", "objective/scores"))
    if judge is None or proxy is None:
        return None
    points: list[tuple[int, float, float, float, float | None]] = []
    scores, kls = _following(rows, proxy), _following(rows, "objective/kl")
    for row, scored, kl in zip(rows, scores, kls, strict=True):
        judged = number(row.get(judge))
        if judged is not None and scored == scored:
            points.append((int(row["step"]), judged, scored, kl, _stated_noise(row, judge)))
    if not points:
        return None
    stated = [point[4] for point in points if point[4] is not None]
    return History(
        judge_name=judge,
        proxy_name=proxy,
        steps=tuple(point[0] for point in points),
        judge=tuple(point[1] for point in points),
        proxy=tuple(point[2] for point in points),
        kl=tuple(point[3] for point in points),
        noise=tuple(stated) if len(stated) == len(points) else (),
    )


def overoptimisation(seen: History) -> Verdict | None:
    """Whether the last third lies below the judge's peak while the proxy went on; None if unsure.

    None means fewer than ``FEWEST`` points. Fires when (a) the judge's mean over the last third is
    below its best average before that by more than ``STANDARD_ERRORS`` of the difference, plus
    what the luckiest of the averages gains by chance, and by more than ``SHARE_LOST`` of its
    range, and (b) the proxy's mean over the last third is above its mean around that best point
    by as many of its own standard errors.
    """
    size = len(seen.steps)
    if size < FEWEST:
        return None
    judge, proxy = np.array(seen.judge), np.array(seen.proxy)
    tail = size // 3
    width = max(2, size // 6)
    starts = np.arange(size - tail - width + 1)
    averages = np.array([judge[start : start + width].mean() for start in starts])
    best = int(starts[int(np.argmax(averages))])
    window, last = slice(best, best + width), slice(size - tail, size)
    inverse = (1 / width + 1 / tail) ** 0.5
    # The best of k independent averages stands out by about sqrt(2 ln k) standard errors.
    luck = (2 * np.log(max(1.0, (size - tail) / width))) ** 0.5 / width**0.5
    point_noise = max(_noise(judge), float(np.mean(seen.noise)) if seen.noise else 0.0)
    judge_noise = point_noise * inverse
    lost = float(averages.max() - judge[last].mean())
    smooth = np.convolve(judge, np.ones(width) / width, mode="valid")
    gained = float(proxy[last].mean() - proxy[window].mean())
    falls = (
        lost > STANDARD_ERRORS * judge_noise + luck * point_noise
        and lost > SHARE_LOST * float(smooth.max() - smooth.min())
        and lost > 1e-9
    )
    rises = gained > STANDARD_ERRORS * _noise(proxy) * inverse and gained > 1e-9
    return Verdict(
        hacked=bool(falls and rises),
        peak_step=seen.steps[best + width // 2],
        judge_peak=float(averages.max()),
        judge_last=float(judge[last].mean()),
        judge_noise=judge_noise,
        proxy_at_peak=float(proxy[window].mean()),
        proxy_last=float(proxy[last].mean()),
    )


def parted(
    judge_before: Estimate | None,
    judge_after: Estimate | None,
    proxy_before: Estimate | None,
    proxy_after: Estimate | None,
) -> bool:
    """Whether two policies' held-out means disagree: proxy surely up, judge surely down.

    Surely means that the 95 % intervals do not touch, and that there are intervals.
    """
    if not (judge_before and judge_after and proxy_before and proxy_after):
        return False
    if not all(e.high > e.low for e in (judge_before, judge_after)):
        return False
    return judge_after.high < judge_before.low and proxy_after.low > proxy_before.high


def _noise(values: np.ndarray) -> float:
    """Standard deviation of one point around a smooth curve, from second differences.

    For independent noise a second difference has six times its variance, whatever the slope. The
    median makes a few jumps harmless; 1.4826 turns a median absolute value into a deviation.
    """
    bends = np.abs(np.diff(values, n=2))
    spread = 1.4826 * float(np.median(bends))
    # A median over few bends is often far too small, so the plain mean square has its say too.
    plain = float(np.sqrt(np.mean(bends**2)))
    return max(spread, min(plain, 2 * spread) if len(bends) >= 10 else plain) / 6**0.5


def _following(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """For each row the value of the next row that has one, else the last known; NaN without any."""
    found = [float("nan")] * len(rows)
    values = [value for row in rows if (value := number(row.get(name))) is not None]
    following = values[-1] if values else float("nan")
    for place in range(len(rows) - 1, -1, -1):
        found[place] = following
        known = number(rows[place].get(name))
        following = following if known is None else known
    return found


def _stated_noise(row: Mapping[str, Any], judge: str) -> float | None:
    low, high = number(row.get(f"{judge}_low")), number(row.get(f"{judge}_high"))
    return None if low is None or high is None else (high - low) / (2 * 1.96)


def _first_present(rows: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> str | None:
    for name in names:
        if any(number(row.get(name)) is not None for row in rows):
            return name
    return None
