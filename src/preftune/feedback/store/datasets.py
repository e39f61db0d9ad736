"""From judgments to rows a model trains on: several votes an item put together in one way.

Each row names the judgments it came from (id/revision) and the versions of the guidelines they were
made under, so a trained model can be followed back to them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from preftune.artifacts import FEEDBACK_ORIGIN as ORIGIN
from preftune.artifacts import sha256_bytes, write_bytes_atomic, write_json_atomic
from preftune.feedback.kinds import Asked, Belief, How, Said
from preftune.feedback.store import adjudication, exporting, fencing, fixed, latest, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Item, Judgment
from preftune.records import BadInput
from preftune.stats import Ratings, dawid_skene

RATERS_AT_LEAST = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """A dataset as of a watermark."""

    project: str
    kind: str
    how: How
    watermark: int
    rows: tuple[Mapping[str, Any], ...]
    judgments: tuple[tuple[str, int], ...]
    """What was said: each judgment's id/revision and the version of the guidelines."""
    items: int


def rows(
    store: Store, project: str, *, how: How = "majority", watermark: int | None = None
) -> Rows:
    """The rows of a project, in the items' order; the same watermark gives the same rows.

    ``majority`` makes one row an item from all its votes, ``dawid_skene`` weighs the votes by how
    often each labeler seems right, ``per_vote`` makes a row of each vote, ``votes`` keeps all votes
    in one row. A lead's decision stands over the votes. Raises Unknown; BadInput for a way the
    kind does not have, or a project without judgments.
    """
    wanted = projects.named(store, project)
    asking = fixed.asking(store, wanted.id)
    if how not in asking.kind.hows:
        raise BadInput(
            f'Judgments of kind {wanted.kind} cannot be put together by "{how}".',
            remedy=f"Use {' or '.join(asking.kind.hows)}.",
        )
    with store.reading() as connection:
        mark = exporting.checked_watermark(connection, watermark)
        said = {
            one[0].item_number: one
            for one in latest.last_revisions(connection, wanted.id, watermark=mark)
        }
        found = {item.number: item for item in exporting.work_items(connection, wanted.id, mark)}
        decided = _decided(connection, store, asking, wanted.id, mark)
    voices = {
        number: [_said(store, asking, one) for one in one_item] for number, one_item in said.items()
    }
    beliefs = _beliefs(asking, found, voices) if how == "dawid_skene" else {}
    made: list[Mapping[str, Any]] = []
    for number in sorted({*voices, *decided}):
        heard = (
            [decided[number]] if number in decided and how != "votes" else voices.get(number, [])
        )
        asked = _asked(found[number])
        made += asking.kind.rows(asking.question, asked, heard, how, beliefs.get(number))
    if not made:
        raise BadInput(f'The project "{project}" has no judgments a model could learn from yet.')
    used = [
        (f"{one.judgment_id}/{one.revision}", one.guideline_version)
        for heard in said.values()
        for one in heard
    ]
    return Rows(project, wanted.kind, how, mark, tuple(made), tuple(sorted(used)), len(said))


def freeze(
    store: Store,
    project: str,
    path: str | Path,
    *,
    how: How = "majority",
    watermark: int | None = None,
) -> dict[str, Any]:
    """Writes ``rows`` as canonical JSON lines, and beside them where they came from.

    ``PATH.feedback.json`` names the project, the watermark, and every judgment with the version of
    the guidelines it was made under. The file's hash depends on the judgments alone: the same
    watermark gives the same bytes. Gives what was written, without the list of judgments.
    """
    made = rows(store, project, how=how, watermark=watermark)
    content = b"".join(exporting.canonical_line(row) for row in made.rows)
    about = {
        "project": project,
        "kind": made.kind,
        "how": how,
        "watermark": made.watermark,
        "items": made.items,
        "rows": len(made.rows),
        "sha256": sha256_bytes(content),
    }
    judgments = [{"judgment": name, "guideline_version": v} for name, v in made.judgments]
    write_json_atomic(f"{path}{ORIGIN}", {**about, "judgments": judgments})
    write_bytes_atomic(path, content)
    return {"path": str(path), **about, "judgments": len(judgments)}


def _said(store: Store, asking: fixed.Asking, one: Judgment) -> Said:
    return Said(
        annotator=fencing.pseudonym(store.salt, one.annotator_id),
        group=one.group,
        origin=one.origin,
        answer=asking.kind.answer.model_validate(dict(one.answer)),
        judgment_id=one.judgment_id,
        revision=one.revision,
        guideline_version=one.guideline_version,
        order=tuple(one.presentation["order"]),
    )


def _decided(
    connection: Connection, store: Store, asking: fixed.Asking, project_id: int, mark: int
) -> dict[int, Said]:
    made = adjudication.decisions_in(connection, project_id, stage="final", watermark=mark)
    return {
        one.item_number: Said(
            annotator=fencing.pseudonym(store.salt, one.annotator_id),
            group="",
            origin="human",
            answer=asking.kind.answer.model_validate(dict(one.answer)),
            judgment_id=f"decision:{one.seq}",
            revision=1,
            guideline_version=0,
        )
        for one in made
    }


def _asked(item: Item) -> Asked:
    return Asked(
        name=item.name,
        prompt=item.prompt,
        responses=tuple(response.text for response in item.responses),
        models=tuple(response.model for response in item.responses),
        columns=item.columns,
        group_id=item.group_id,
        selection_probability=item.selection_probability,
    )


def _beliefs(
    asking: fixed.Asking, found: Mapping[int, Item], voices: Mapping[int, list[Said]]
) -> dict[int, Belief]:
    """Dawid–Skene soft labels of the kind's first measure, whole project at once."""
    measure = asking.kind.measures(asking.question)[0].name
    said = list(_numbers(asking, found, voices, measure))
    numbers = sorted({number for number, _, _ in said})
    raters = sorted({rater for _, rater, _ in said})
    item_place = {number: place for place, number in enumerate(numbers)}
    rater_place = {rater: place for place, rater in enumerate(raters)}
    if len(raters) < RATERS_AT_LEAST or len({value for _, _, value in said}) < RATERS_AT_LEAST:
        return {}
    table = Ratings(
        item=np.array([item_place[number] for number, _, _ in said], dtype=np.int64),
        rater=np.array([rater_place[rater] for _, rater, _ in said], dtype=np.int64),
        values=np.array([value for _, _, value in said], dtype=np.float64),
        items=len(numbers),
        raters=len(raters),
    )
    fit = dawid_skene(table, rng=np.random.default_rng(0))
    names = [float(value) for value in fit.categories]
    return {
        number: Belief(dict(zip(names, map(float, fit.posterior[place]), strict=True)))
        for place, number in enumerate(numbers)
    }


def _numbers(
    asking: fixed.Asking,
    found: Mapping[int, Item],
    voices: Mapping[int, list[Said]],
    measure: str,
) -> Iterator[tuple[int, str, float]]:
    for number, heard in voices.items():
        texts = [response.text for response in found[number].responses]
        for one in heard:
            values = asking.kind.values(asking.question, one.answer, texts).get(measure, {})
            for value in values.values():
                yield number, one.annotator, value
