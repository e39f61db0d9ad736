"""How each annotator does on items whose answer is known: training, and hidden checks."""

from dataclasses import dataclass

from preftune.feedback.store.engine import Store
from preftune.records import Estimate


@dataclass(frozen=True, slots=True)
class GoldResult:
    """One annotator's checks. ``share`` is the Beta posterior's mean with its 95 % interval."""

    annotator_id: int
    annotator: str
    purpose: str
    right: int
    asked: int
    share: Estimate
    below_mark: bool
    """The whole interval lies below the project's pass mark: act on this, not on single misses."""


def results(store: Store, project_id: int) -> list[GoldResult]:
    """For everyone who met a known item; training and hidden checks apart."""
    raise NotImplementedError
