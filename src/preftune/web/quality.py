"""Agreement and each labeler's quality, as pages show them. Everything with its interval."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from preftune.feedback.kinds import Measure, kind
from preftune.feedback.store import adjudication, gold, items, judgments, progress, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.exporting import watermark_now
from preftune.feedback.store.gold import GoldResult
from preftune.feedback.store.nouns import Item, Judgment, Project
from preftune.feedback.store.schema import ITEM, JUDGMENT
from preftune.records import Estimate
from preftune.stats import Ratings, agreement_report, share_estimate
from preftune.web.payloads import answer_said, order_of, question_of

FEWEST = 20
"""Items below which a number is not shown: it would say nothing."""
RESAMPLES = 500
BINS = 40
"""Values of a slider are put into this many bins for agreement."""
DELAY_SECONDS = 3600.0
"""How long after an answer its owner may see how others answered."""
HASTY = 1 / 3
"""A labeler whose median time is below this share of everyone's is pointed out, not punished."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One latest judgment of an ordinary item, with the numbers its kind makes of it."""

    judgment: Judgment
    values: Mapping[str, Mapping[str, float]]


def votes_of(store: Store, project: Project) -> tuple[Vote, ...]:
    """Every counted judgment of ordinary items, in its latest revision."""
    return _votes(store, project.id, watermark_now(store))


@lru_cache(maxsize=8)
def _votes(store: Store, project_id: int, watermark: int) -> tuple[Vote, ...]:
    project = projects.by_id(store, project_id)
    one, question = kind(project.kind), question_of(project)
    chosen = judgments.rows_of(
        JUDGMENT.c.project_id == project_id,
        JUDGMENT.c.status != "surplus",
        ITEM.c.purpose == "work",
    ).order_by(JUDGMENT.c.seq)
    with store.reading() as connection:
        rows = judgments.read(connection.execute(chosen).mappings())
    latest = {row.judgment_id: row for row in rows}
    texts = {item.number: _texts(item) for item in _all_items(store, project_id)}
    return tuple(
        Vote(row, one.values(question, one.answer.model_validate(row.answer), texts[row.item_number]))
        for row in latest.values()
    )


def _all_items(store: Store, project_id: int) -> Iterable[Item]:
    after = 0
    while page := items.listed(store, project_id, after=after, limit=500):
        yield from page
        after = page[-1].number


def _texts(item: Item) -> tuple[str, ...]:
    return tuple(response.text for response in item.responses)


def agreement_view(store: Store, project: Project) -> dict[str, Any]:
    """Each measure of the kind: agreement over everyone, and inside each group of labelers."""
    votes = votes_of(store, project)
    groups = sorted({vote.judgment.group for vote in votes if vote.judgment.group})
    measures = []
    for measure in kind(project.kind).measures(question_of(project)):
        rows = [("everyone", pairs) for pairs in _reported(votes, measure).items()]
        for group in groups:
            inside = [vote for vote in votes if vote.judgment.group == group]
            rows += [(f"group {group}", pairs) for pairs in _reported(inside, measure).items()]
        measures.append({"name": measure.name, "level": measure.level, "rows": rows})
    return {"measures": measures, "fewest": FEWEST, "judgments": len(votes)}


def _reported(votes: Sequence[Vote], measure: Measure) -> dict[str, dict[str, Any]]:
    """``human_human``, ``machine_machine``, ``mixed``; coefficients hidden below FEWEST items."""
    ratings, prompts, origins = _ratings(votes, measure.name)
    if ratings is None:
        return {}
    found = agreement_report(
        ratings,
        measure.level,
        prompts,
        origins,
        rng=np.random.default_rng(0),
        resamples=RESAMPLES,
    )
    shown: dict[str, dict[str, Any]] = {}
    for name, given in found.items():
        enough = given["items"] >= FEWEST
        shown[name] = {
            key: (value if enough else None) if isinstance(value, Estimate | None) else value
            for key, value in given.items()
        }
    return shown


def _ratings(
    votes: Sequence[Vote], measure: str
) -> tuple[Ratings | None, list[int], list[str]]:
    """The long table of one measure; its clusters (items); each rater's origin."""
    units: dict[tuple[int, str], int] = {}
    raters: dict[int, int] = {}
    origins: list[str] = []
    cells: list[tuple[int, int, float]] = []
    for vote in votes:
        for unit, value in vote.values.get(measure, {}).items():
            row = units.setdefault((vote.judgment.item_number, unit), len(units))
            if vote.judgment.annotator_id not in raters:
                raters[vote.judgment.annotator_id] = len(raters)
                origins.append(vote.judgment.origin)
            cells.append((row, raters[vote.judgment.annotator_id], value))
    if not cells:
        return None, [], []
    item, rater, values = (np.array(column) for column in zip(*cells, strict=True))
    ratings = Ratings(
        item.astype(np.int64), rater.astype(np.int64), _binned(values), len(units), len(raters)
    )
    return ratings, [number for number, _ in units], origins


def _binned(values: np.ndarray) -> np.ndarray:
    """A slider's many values in equal bins; a scale's few values as they are."""
    if np.unique(values).size <= BINS:
        return values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    return low + np.round((values - low) / (high - low) * BINS) * (high - low) / BINS


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
    mine = [
        one for one in gold.results(store, project.id) if one.annotator_id == annotator_id
    ]
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
