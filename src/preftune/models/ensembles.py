"""Several reward models in one folder: ``ensemble.json`` beside the members' own folders."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from preftune.artifacts import write_json_atomic
from preftune.recipe import Aggregation
from preftune.records import BadInput

NAME = "ensemble.json"
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class LinearShare:
    """A linear model beside the members: score = (its score − ``offset``) + ``members_weight`` ·
    theirs."""

    folder: str
    offset: float
    members_weight: float


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The members' folders, what is taken off each one's score, and how they become one.

    ``offsets`` are the members' mean scores on one set of answers, ``centred_on`` names it;
    ``temperature`` is that of the aggregated score.
    """

    members: tuple[str, ...]
    offsets: tuple[float, ...]
    aggregation: Aggregation
    centred_on: str
    temperature: float = 1.0
    linear: LinearShare | None = None


def write_ensemble(folder: Path, ensemble: Ensemble) -> None:
    write_json_atomic(
        folder / NAME,
        {
            "format": 1 if ensemble.linear is None else 2,
            "members": list(ensemble.members),
            "offsets": list(ensemble.offsets),
            "aggregation": ensemble.aggregation.model_dump(mode="json"),
            "centred_on": ensemble.centred_on,
            "temperature": ensemble.temperature,
        }
        | ({} if ensemble.linear is None else {"linear": asdict(ensemble.linear)}),
    )


def read_ensemble(source: str | Path) -> Ensemble | None:
    """What a folder says of its members; None for a folder that is no ensemble.

    Raises :class:`BadInput` for one that is damaged.
    """
    path = Path(source) / NAME
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        ensemble = Ensemble(
            members=tuple(map(str, stored["members"])),
            offsets=tuple(map(float, stored["offsets"])),
            aggregation=TypeAdapter[Aggregation](Aggregation).validate_python(
                stored["aggregation"]
            ),
            centred_on=str(stored["centred_on"]),
            temperature=float(stored["temperature"]),
            linear=_linear(stored.get("linear")),
        )
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise BadInput(
            f"The ensemble cannot be read: {type(error).__name__}.",
            file=path,
            remedy="Train it again with a reward_model stage.",
        ) from None
    if len(ensemble.members) != len(ensemble.offsets) or not ensemble.members:
        raise BadInput("Members and offsets differ in number.", file=path, remedy="Train it again.")
    return ensemble


def _linear(stored: Mapping[str, Any] | None) -> LinearShare | None:
    if stored is None:
        return None
    numbers = {name: float(stored[name]) for name in ("offset", "members_weight")}
    return LinearShare(folder=str(stored["folder"]), **numbers)


def first_member(source: str | Path) -> str | Path:
    """The first member of an ensemble, or the folder itself: what a network can start from."""
    ensemble = read_ensemble(source)
    return source if ensemble is None else Path(source) / ensemble.members[0]


def require_one_model(source: str | Path) -> None:
    """Raises :class:`BadInput` for the folder of an ensemble where one model is needed."""
    if (Path(source) / NAME).exists():
        raise BadInput(
            "This folder holds several reward models, and one is needed here.",
            file=source,
            remedy="Name one of them: its folder member-0, for instance.",
        )


def average_weights(members: Sequence[Weights]) -> dict[str, torch.Tensor]:
    """The mean of each tensor over the members (WARM, Ramé et al. 2024).

    Only members that started from the same weights, the head's too, lie close enough together for
    their mean to be a model. Raises ValueError when they are not of one shape.
    """
    names = set(members[0])
    if any(set(member) != names for member in members):
        raise ValueError("the members have different weights")
    return {
        name: torch.stack([member[name].double() for member in members]).mean(0).to(first.dtype)
        for name, first in members[0].items()
    }
