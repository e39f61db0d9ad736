"""Which items to ask people about: at random, or where models are unsure and not all alike.

Scores come in as values; nothing here runs a model. An ε share is always drawn at random, and every
chosen item carries the probability with which it was chosen, so estimates can be reweighted.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from preftune.feedback.store.nouns import NewItem
from preftune.records import BadInput
from preftune.stats.queries import preference_disagreement, select_queries

By = Literal["random", "disagreement", "uncertainty"]
BYS: tuple[By, ...] = ("random", "disagreement", "uncertainty")

Floats = NDArray[np.float64]


def informativeness(scores: ArrayLike, by: By) -> Floats:
    """How much asking about each pair may teach; shape (pairs,).

    ``scores``: (members, pairs, 2), the reward models' scores of both responses. ``disagreement``
    is the variance over members of σ(s_a − s_b) (Christiano et al. 2017, §2.2.4), ``uncertainty``
    p (1 − p) of the members' mean p, ``random`` nothing.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 3 or table.shape[2] != 2 or not bool(np.isfinite(table).all()):
        raise BadInput(
            f"Scores must be finite, members × pairs × 2, not of shape {table.shape}.",
            remedy="Give each pair two scores from every reward model.",
        )
    if by == "random":
        return np.zeros(table.shape[1])
    if by == "disagreement":
        pairs = np.arange(2 * table.shape[1], dtype=np.int64).reshape(-1, 2)
        return preference_disagreement(table.reshape(len(table), -1), pairs)
    p: Floats = expit(table[:, :, 0] - table[:, :, 1]).mean(axis=0)
    return p * (1 - p)


def diversified(values: ArrayLike, cells: Sequence[str], *, discount: float = 0.5) -> Floats:
    """Values with the k-th best of its cell (k = 0, 1, …) multiplied by discount to the power k.

    Cells are what counts as alike (a topic, a cluster of embeddings): the best of every cell comes
    before the second best of most. Depends on the values alone, so selection probabilities stay
    exact.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.shape != (len(cells),) or not 0 < discount <= 1:
        raise BadInput("Give one cell for each value, and a discount above 0 and up to 1.")
    seen: dict[str, int] = {}
    spread = np.empty_like(given)
    for place in np.argsort(-given, kind="stable").tolist():
        rank = seen.get(cells[place], 0)
        spread[place] = given[place] * discount**rank
        seen[cells[place]] = rank + 1
    return spread


def choose(
    candidates: Sequence[NewItem],
    values: ArrayLike,
    count: int,
    *,
    random_share: float,
    rng: np.random.Generator,
) -> list[NewItem]:
    """``count`` candidates: round(ε · count) at random, then those with the largest values.

    Each has its ``selection_probability`` (chance or value), and the column ``chosen_by``:
    ``random`` for the fair sample to evaluate on, else ``value``. Equal values: the earlier one.
    """
    chosen = select_queries(values, count, random_share=random_share, rng=rng)
    return [
        replace(
            candidates[place],
            selection_probability=min(float(inclusion), 1.0),
            columns={
                **candidates[place].columns,
                "chosen_by": "random" if lucky else "value",
            },
        )
        for place, lucky, inclusion in zip(
            chosen.places.tolist(),
            chosen.at_random.tolist(),
            chosen.inclusion.tolist(),
            strict=True,
        )
    ]
