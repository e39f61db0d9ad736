"""Which answers of a policy deserve a person's eyes: where judge and reward model part, where the
reward model is unsure, the longest, and those that repeat themselves."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from preftune.reports.reading import Row, mapping, number, rows
from preftune.reports.samples import score
from preftune.reports.wording import figure
from preftune.stats import repetition, word_count

EACH = 2
"""Answers shown for each reason."""


def worth_reading(samples: Sequence[Row], policy: str) -> list[tuple[int, str]]:
    """Places of the prompts with the reason for each, in the order of the reasons.

    A prompt is shown once, for its first reason; a reason that nothing speaks for is left out.
    """
    answers = [
        next((a for a in rows(row.get("samples")) if a.get("policy") == policy), None)
        for row in samples
    ]
    texts = [None if answer is None else str(answer.get("text") or "") for answer in answers]
    found: dict[int, str] = {}
    gaps = _gaps(answers)
    for value, place in _largest(gaps):
        found.setdefault(
            place,
            f"the reward model likes it more than the judge does, by {figure(value)} standard "
            "deviations",
        )
    doubts = [None if a is None else number(mapping(a.get("scores")).get("doubt")) for a in answers]
    for value, place in _largest(doubts):
        found.setdefault(place, f"the reward model's members disagree most ({figure(value)})")
    lengths = [None if text is None else float(word_count(text)) for text in texts]
    for value, place in _largest(lengths):
        found.setdefault(place, f"among the longest, {value:.0f} words")
    repeats = [None if text is None else repetition([text]) for text in texts]
    for value, place in _largest(repeats):
        found.setdefault(place, f"{value:.0%} of its word triples stood in it before")
    said = Counter(text.strip() for text in texts if text is not None and text.strip())
    for text, times in said.most_common(1):
        if times > 1:
            place = next(
                i for i, own in enumerate(texts) if own is not None and own.strip() == text
            )
            found.setdefault(place, f"said word for word {times} times, more than anything else")
    return list(found.items())


def _gaps(answers: Sequence[Row | None]) -> list[float | None]:
    """Standardised reward model minus standardised judge; None where either is missing."""
    both = [None if a is None else (score(a, "proxy"), score(a, "judge")) for a in answers]
    known = [(p, j) for pair in both if pair is not None for p, j in [pair]]
    table = np.array([(p, j) for p, j in known if p is not None and j is not None])
    if len(table) < 2 * EACH or float(table.std(axis=0).min()) == 0:
        return [None] * len(answers)
    mean, spread = table.mean(axis=0), table.std(axis=0)
    gaps: list[float | None] = []
    for pair in both:
        if pair is None or pair[0] is None or pair[1] is None:
            gaps.append(None)
            continue
        proxy, judge = (np.array(pair) - mean) / spread
        gaps.append(float(proxy - judge))
    return gaps


def _largest(values: Sequence[float | None]) -> list[tuple[float, int]]:
    """The EACH largest above 0, largest first; equal ones in the order of the prompts."""
    known = [
        (value, place) for place, value in enumerate(values) if value is not None and value > 0
    ]
    return sorted(known, key=lambda pair: (-pair[0], pair[1]))[:EACH]
