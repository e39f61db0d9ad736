"""Agreement and each labeler's quality, as pages show them. Everything with its interval."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from preftune.feedback.kinds import kind
from preftune.feedback.store import (
    adjudication,
    agreement,
    fixed,
    gold,
    items,
    latest,
    progress,
)
from preftune.feedback.store.engine import Store
from preftune.feedback.store.exporting import watermark_now
from preftune.feedback.store.gold import GoldResult
from preftune.feedback.store.nouns import Judgment, Project
from preftune.records import BadInput, Estimate
from preftune.stats import share_estimate
from preftune.web.payloads import answer_said, order_of, question_of

FEWEST = 20
"""Items below which a number is not shown: it would say nothing."""
REMEMBERED = 8
"""Results kept; each belongs to one state of the store."""
POOLS = {
    "human_human": "people",
    "machine_machine": "machines",
    "mixed": "people and machines",
}
DELAY_SECONDS = 3600.0
"""How long after an answer its owner may see how others answered."""
HASTY = 1 / 3
"""A labeler whose median time is below this share of everyone's is pointed out, not punished."""


_KEPT: OrderedDict[tuple[object, ...], Any] = OrderedDict()
_LOCK = Lock()


def _remembered(key: tuple[object, ...], make: Callable[[], Any]) -> Any:
    """What was worked out for the same state of the store before; the last few only."""
    with _LOCK:
        if key not in _KEPT:
            _KEPT[key] = make()
        _KEPT.move_to_end(key)
        while len(_KEPT) > REMEMBERED:
            _KEPT.popitem(last=False)
        return _KEPT[key]


@dataclass(frozen=True, slots=True)
class Vote:
    """One latest judgment of an ordinary item, with the numbers its kind makes of it."""

    judgment: Judgment
    values: Mapping[str, Mapping[str, float]]


def votes_of(store: Store, project: Project) -> tuple[Vote, ...]:
    """Every counted judgment of ordinary items, in its latest revision."""
    mark = watermark_now(store)
    return _remembered(("votes", store.url, project.id, mark), lambda: _votes(store, project, mark))


def _votes(store: Store, project: Project, watermark: int) -> tuple[Vote, ...]:
    asking = fixed.asking(store, project.id)
    with store.reading() as connection:
        said = [
            judgment
            for of_item in latest.last_revisions(connection, project.id, watermark=watermark)
            for judgment in of_item
        ]
    return tuple(Vote(row, agreement.values_of(store, asking, row)) for row in said)


def agreement_view(store: Store, project: Project) -> dict[str, Any]:
    """Each measure of the kind: agreement over everyone, and inside each group of people."""
    measures = []
    mark = watermark_now(store)
    key = ("agreement", store.url, project.id, mark)
    for name, found in _remembered(key, lambda: _report(store, project.name, mark)).items():
        rows = [("everyone", pool, found[pool]) for pool in POOLS if pool in found]
        rows += [
            (f"group {group or '(none)'}", "human_human", one)
            for group, one in found["groups"].items()
        ]
        measures.append({"name": name, "level": found["level"], "rows": rows})
    return {"measures": measures, "fewest": FEWEST, "pools": POOLS}


def _report(store: Store, name: str, watermark: int) -> dict[str, Any]:
    try:
        return agreement.report(store, name, watermark=watermark)
    except BadInput:  # no item has two judgments yet
        return {}


def agreement_with_others(votes: Iterable[Vote], measure: str) -> dict[int, Estimate]:
    """For each annotator, how often another one gave the same value; clustered by item."""
    units: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    for vote in votes:
        for unit, value in vote.values.get(measure, {}).items():
            key = (vote.judgment.item_number, unit)
            units[key].append((vote.judgment.annotator_id, value))
    same: dict[int, list[float]] = defaultdict(list)
    where: dict[int, list[int]] = defaultdict(list)
    for (item, _), given in units.items():
        for annotator, value in given:
            others = [one for who, one in given if who != annotator]
            if others:
                same[annotator].append(sum(one == value for one in others) / len(others))
                where[annotator].append(item)
    return {who: share_estimate(shares, where[who]) for who, shares in same.items()}


def left_shares(votes: Iterable[Vote]) -> dict[int, Estimate]:
    """For comparisons: how often each annotator preferred the response shown first."""
    first: dict[int, list[float]] = defaultdict(list)
    for vote in votes:
        order, choice = order_of(vote.judgment), vote.judgment.answer.get("choice")
        if choice in ("a", "b") and order:
            first[vote.judgment.annotator_id].append(float("ab".index(choice) == order[0]))
    return {who: share_estimate(chosen) for who, chosen in first.items()}


def quality_view(
    store: Store, project: Project, results: Sequence[GoldResult]
) -> list[dict[str, Any]]:
    """One row a labeler: pace, agreement with the others, known items, the side they prefer."""
    summary = progress.summary(store, project.id)
    votes = votes_of(store, project)
    headline = kind(project.kind).measures(question_of(project))[0].name
    agreed, left = agreement_with_others(votes, headline), left_shares(votes)
    known: dict[tuple[int, str], GoldResult] = {
        (one.annotator_id, one.purpose): one for one in results
    }
    medians = [one.median_seconds for one in summary.annotators if one.median_seconds]
    usual = float(np.median(medians)) if medians else 0.0
    rows = []
    for one in summary.annotators:
        side = left.get(one.annotator_id)
        rows.append(
            {
                "who": one,
                "agreement": _enough(agreed.get(one.annotator_id)),
                "gold": known.get((one.annotator_id, "gold")),
                "training": known.get((one.annotator_id, "training")),
                "left": _enough(side),
                "one_sided": side is not None and (side.low > 0.5 or side.high < 0.5),
                "hasty": bool(one.median_seconds and one.median_seconds < HASTY * usual),
            }
        )
    return rows


def _enough(given: Estimate | None) -> Estimate | None:
    return given if given is not None and given.count >= FEWEST else None


def own_view(store: Store, project: Project, annotator_id: int) -> dict[str, Any]:
    """What a labeler sees of their own: agreement, known items, and decisions with reasons.

    Only of answers older than ``DELAY_SECONDS``, so that nobody learns in time which item was a
    check or what the others said.
    """
    votes = votes_of(store, project)
    settled = [vote for vote in votes if vote.judgment.created_at <= time.time() - DELAY_SECONDS]
    headline = kind(project.kind).measures(question_of(project))[0].name
    mine = [one for one in gold.results(store, project.id) if one.annotator_id == annotator_id]
    return {
        "agreement": _enough(agreement_with_others(settled, headline).get(annotator_id)),
        "fewest": FEWEST,
        "gold": mine,
        "done": progress.done_by(store, project.id, annotator_id),
        "decided": _decided(store, project, votes, annotator_id),
    }


def _decided(
    store: Store, project: Project, votes: Sequence[Vote], annotator_id: int
) -> list[dict[str, Any]]:
    """Items this person judged that a lead decided: what both said, and the lead's reason."""
    own = {
        vote.judgment.item_number: vote.judgment
        for vote in votes
        if vote.judgment.annotator_id == annotator_id
    }
    rows = []
    for decision in reversed(adjudication.decisions(store, project.id)):
        judgment = own.get(decision.item_number)
        if decision.stage != "final" or judgment is None:
            continue
        order = order_of(judgment)
        rows.append(
            {
                "item": items.by_number(store, decision.item_number),
                "mine": answer_said(project, judgment.answer, order),
                "decided": answer_said(project, decision.answer, order),
                "why": decision.note,
                "error_kind": decision.error_kind,
            }
        )
    return rows[:20]
