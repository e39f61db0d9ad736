"""What a finished run says of its models, iteration by iteration: for the comparisons beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preftune.monitoring import read_metrics

KL = "objective/kl"
Rows = Sequence[Mapping[str, Any]]


def judged_rows(run: Path, stage: str, score: str) -> list[Mapping[str, Any]]:
    """The rows of a stage's metrics in which a judge's score stands."""
    (place,) = (run / "stages").glob(f"*-{stage}")
    return [row for row in read_metrics(place / "metrics.jsonl") if row.get(score) is not None]


def kl_of_models(rows: Rows) -> list[float]:
    """KL to the reference of the model that each row's score is of, nats a response.

    A score is of the policy after a row's update, the KL of the one before it, so a model's KL
    stands in the row that follows. The last one's is not known and taken as the one before.
    """
    found = [float(row.get(KL) or 0.0) for row in rows]
    return [*found[1:], found[-1]]
