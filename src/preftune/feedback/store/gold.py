"""How each annotator does on items whose answer is known: training, and hidden checks."""

from collections.abc import Iterator
from dataclasses import dataclass

from scipy.special import betaincinv

from preftune.feedback.store import items, latest, lessons, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Judgment, Training
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
    project = projects.by_id(store, project_id)
    mark = (project.training or Training()).pass_mark
    tally: dict[tuple[str, int], list[bool]] = {}
    names: dict[int, str] = {}
    for purpose, one in _known(store, project_id):
        gold = items.by_number(store, one.item_number).gold or {}
        right = lessons.is_right(project, one.answer, gold)
        tally.setdefault((purpose, one.annotator_id), []).append(right)
        names[one.annotator_id] = one.annotator
    found = []
    for (purpose, person), rights in sorted(tally.items()):
        share = posterior(sum(rights), len(rights))
        found.append(
            GoldResult(
                annotator_id=person,
                annotator=names[person],
                purpose=purpose,
                right=sum(rights),
                asked=len(rights),
                share=share,
                below_mark=share.high < mark,
            )
        )
    return found


def _known(store: Store, project_id: int) -> Iterator[tuple[str, Judgment]]:
    """Every judgment of a known item, with what the item is for."""
    with store.reading() as connection:
        for purpose in ("training", "gold"):
            for said in latest.last_revisions(connection, project_id, purpose=purpose):
                yield from ((purpose, one) for one in said)


def posterior(right: int, asked: int) -> Estimate:
    """Beta(1 + right, 1 + wrong): mean and equal-tailed 95 % interval, from a flat prior."""
    a, b = 1 + right, 1 + asked - right
    low, high = (float(betaincinv(a, b, share)) for share in (0.025, 0.975))
    return Estimate(a / (a + b), low, high, asked)
