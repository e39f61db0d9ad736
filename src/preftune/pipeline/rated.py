"""Mean ratings of policies, and the share of the way to a reference that one has come."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preftune.data import load_ratings, read_rows
from preftune.records import BadInput
from preftune.reports.reading import mapping, number, rows
from preftune.stats import gap_closed, mean_estimate

Rated = dict[str, dict[str, float]]
"""{policy: {prompt: mean rating}}."""


def rated_by(path: str | Path, axis: str, model: str = "model") -> Rated:
    """Ratings on one axis from a file of ratings (whose column ``model`` says who wrote the
    answer), or from an evaluate stage's ``samples.jsonl`` with a score of that name.

    Several ratings of a policy's answers to one prompt are averaged. BadInput where nothing is
    rated on that axis, naming the axes there are.
    """
    given = read_rows(path)
    sampled = bool(given) and isinstance(given[0].get("samples"), list)
    found = _from_samples(given, axis) if sampled else _from_ratings(path, axis, model)
    told: dict[str, dict[str, list[float]]] = {}
    for policy, prompt, value in found:
        told.setdefault(policy, {}).setdefault(prompt, []).append(value)
    if not told:
        raise BadInput(
            f"Nothing is rated on the axis {axis!r}.",
            file=path,
            remedy=f"It has {', '.join(_axes(given)) or 'no axes'}.",
        )
    return {
        policy: {prompt: float(np.mean(values)) for prompt, values in prompts.items()}
        for policy, prompts in told.items()
    }


def rating_gap(
    rated: Rated,
    *,
    policy: str,
    start: str,
    reference: str,
    scale: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Mean ratings over the prompts that all three were rated on, and the share of the gap closed.

    BadInput for a policy without ratings, or no prompt in common.
    """
    for name in (policy, start, reference):
        if name not in rated:
            raise BadInput(
                f"Nothing of {name!r} is rated.", remedy=f"Rated are {', '.join(sorted(rated))}."
            )
    shared = sorted(set(rated[policy]) & set(rated[start]) & set(rated[reference]))
    if not shared:
        raise BadInput("No prompt has a rating of all three.")
    ours, begun, best = (
        [rated[name][prompt] for prompt in shared] for name in (policy, start, reference)
    )
    gap = gap_closed(ours, begun, best, shared, rng=rng, scale=scale)
    return {
        "prompts": len(shared),
        "scale": list(scale),
        "policy": {"name": policy, "rating": gap.policy.as_json()},
        "start": {"name": start, "rating": gap.start.as_json()},
        "reference": {"name": reference, "rating": gap.reference.as_json()},
        "share_closed": None if gap.share is None else gap.share.as_json(),
    }


def means(rated: Rated) -> dict[str, dict[str, Any]]:
    """Every policy's mean rating, a unit a prompt."""
    return {
        policy: dict(mean_estimate(list(prompts.values())).as_json())
        for policy, prompts in rated.items()
    }


def _from_samples(given: Sequence[Mapping[str, Any]], axis: str) -> list[tuple[str, str, float]]:
    return [
        (str(answer.get("policy")), str(row.get("id")), value)
        for row in given
        for answer in rows(row.get("samples"))
        if (value := number(mapping(answer.get("scores")).get(axis))) is not None
    ]


def _from_ratings(path: str | Path, axis: str, model: str) -> list[tuple[str, str, float]]:
    found = []
    for row in load_ratings(path):
        value, name = row.ratings.get(axis), row.prompt.columns.get(model)
        if value is not None and name is not None:
            found.append((str(name), row.prompt.id, float(value)))
    return found


def _axes(given: Sequence[Mapping[str, Any]]) -> list[str]:
    names: dict[str, None] = {}
    for row in given[:50]:
        names |= dict.fromkeys(mapping(row.get("ratings")))
        for answer in rows(row.get("samples")):
            names |= dict.fromkeys(mapping(answer.get("scores")))
    return list(names)
