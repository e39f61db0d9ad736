"""How far labelers agree: people with people, machines with machines, and both, always apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from preftune.feedback.kinds import Measure
from preftune.feedback.store import exporting, fixed, items, latest, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Judgment
from preftune.records import BadInput
from preftune.stats import Ratings, agreement_report

BINS = 20
"""A measure with more different values than categories is put into this many bins."""
MOST_VALUES = 64


@dataclass(frozen=True, slots=True)
class Reliability:
    """What raters said on one measure, in long form, with each unit's item and each rater's origin.

    A unit is an item, or a part of one (an axis of a response, a pair of a ranking, a step).
    """

    measure: Measure
    table: Ratings
    clusters: tuple[str, ...]
    raters: tuple[str, ...]
    groups: tuple[str, ...]
    origins: tuple[str, ...]


def reliability(
    store: Store, project: str, *, watermark: int | None = None
) -> tuple[Reliability, ...]:
    """One table for each measure of the project's kind, the headline first."""
    wanted = projects.named(store, project)
    asking = fixed.asking(store, wanted.id)
    cells: dict[str, list[tuple[str, str, int, float]]] = {}
    people: dict[int, tuple[str, str, str]] = {}
    with store.reading() as connection:
        mark = exporting.checked_watermark(connection, watermark)
        for said in latest.last_revisions(connection, wanted.id, watermark=mark):
            for one in said:
                people[one.annotator_id] = (one.annotator, one.group, one.origin)
                _add(cells, one, values_of(store, asking, one))
    return tuple(
        _table(measure, cells[measure.name], people)
        for measure in asking.kind.measures(asking.question)
        if cells.get(measure.name)
    )


def values_of(
    store: Store, asking: fixed.Asking, one: Judgment
) -> Mapping[str, Mapping[str, float]]:
    """The numbers that the kind makes of one answer: {measure: {unit: value}}."""
    item = items.by_number(store, one.item_number)
    answer = asking.kind.answer.model_validate(dict(one.answer))
    return asking.kind.values(asking.question, answer, [r.text for r in item.responses])


def _add(
    cells: dict[str, list[tuple[str, str, int, float]]],
    one: Judgment,
    values: Mapping[str, Mapping[str, float]],
) -> None:
    for name, units in values.items():
        cells.setdefault(name, []).extend(
            (one.item_name, unit, one.annotator_id, value) for unit, value in units.items()
        )


def _table(
    measure: Measure,
    said: list[tuple[str, str, int, float]],
    people: Mapping[int, tuple[str, str, str]],
) -> Reliability:
    units = sorted({(item, unit) for item, unit, _, _ in said})
    raters = sorted({rater for _, _, rater, _ in said})
    unit_place = {unit: place for place, unit in enumerate(units)}
    rater_place = {rater: place for place, rater in enumerate(raters)}
    values = np.array([value for _, _, _, value in said], dtype=np.float64)
    return Reliability(
        measure=measure,
        table=Ratings(
            item=np.array([unit_place[item, unit] for item, unit, _, _ in said], dtype=np.int64),
            rater=np.array([rater_place[rater] for _, _, rater, _ in said], dtype=np.int64),
            values=_binned(values),
            items=len(units),
            raters=len(raters),
        ),
        clusters=tuple(item for item, _ in units),
        raters=tuple(people[rater][0] for rater in raters),
        groups=tuple(people[rater][1] for rater in raters),
        origins=tuple(people[rater][2] for rater in raters),
    )


def _binned(values: np.ndarray) -> np.ndarray:
    """Values as they are, or as the middles of equal bins where there are too many different."""
    if np.unique(values).size <= MOST_VALUES:
        return values
    edges = np.linspace(values.min(), values.max(), BINS + 1)
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    return np.asarray((edges[place] + edges[place + 1]) / 2)


def report(
    store: Store, project: str, *, watermark: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Agreement on every measure, whole and by group, with 95 % intervals clustered by item.

    Groups are compared among people only. BadInput when no item has two judgments.
    """
    measures: dict[str, Any] = {}
    for found in reliability(store, project, watermark=watermark):
        whole = _report(found, found.table, seed)
        if not whole:
            continue
        groups = {}
        for group in sorted(set(found.groups)):
            inside = np.array([g == group for g in found.groups], dtype=np.bool_)
            part = _report(found, found.table.of_raters(inside), seed).get("human_human")
            if part is not None:
                groups[group] = part
        measures[found.measure.name] = {
            "level": found.measure.level,
            **whole,
            "groups": groups if len(groups) > 1 else {},
        }
    if not measures:
        raise BadInput(
            f'No item of "{project}" has two judgments to compare.',
            remedy="Give the project an overlap of 2 or more.",
        )
    return measures


def _report(found: Reliability, table: Ratings, seed: int) -> dict[str, Any]:
    if np.unique(table.values).size < 1 or table.values.size == 0:
        return {}
    rng = np.random.default_rng(seed)
    level, origins = found.measure.level, found.origins
    made = agreement_report(table, level, found.clusters, origins, rng=rng, resamples=1000)
    return {
        pool: {
            name: value.as_json() if hasattr(value, "as_json") else value
            for name, value in one.items()
        }
        for pool, one in made.items()
    }
