"""Answers as they come in, checked and spelled in one way before any transaction begins."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from preftune.artifacts import canonical_json
from preftune.feedback.store import fencing
from preftune.feedback.store.faults import InvalidAnswer
from preftune.feedback.store.fixed import Asking
from preftune.feedback.store.nouns import Item, Presentation, Revision, Submission

MOST_MS = 7 * 24 * 3600 * 1000


def checked_id(submission_id: str) -> str:
    """A UUID in its one spelling. Raises InvalidAnswer for anything else."""
    try:
        return str(UUID(submission_id))
    except (ValueError, AttributeError, TypeError):
        raise InvalidAnswer(
            "submission_id is no UUID.", remedy="Make one where the answer is made, and keep it."
        ) from None


def body_of(given: Submission | Revision, **what: object) -> dict[str, object]:
    """What makes two requests the same one."""
    shown = given.presentation
    return {
        **what,
        "answer": dict(given.answer),
        "order": None if shown.order is None else list(shown.order),
        "guideline_version": shown.guideline_version,
        "ui_version": shown.ui_version,
        "rendered": shown.rendered,
        "extra": dict(shown.extra),
        "active_ms": given.active_ms,
        "wall_ms": given.wall_ms,
    }


def prepared(
    asking: Asking, item: Item, annotator_id: int, given: Submission | Revision
) -> dict[str, Any]:
    """The checked answer and presentation, as columns; before any transaction begins."""
    order = fencing.shown_order(asking.project.key, item.number, annotator_id, len(item.responses))
    answer = checked_answer(asking, item, given.answer)
    for name, value in (("active_ms", given.active_ms), ("wall_ms", given.wall_ms)):
        if value is not None and not 0 <= value <= MOST_MS:
            raise InvalidAnswer(f"{name} must be 0 to {MOST_MS}.")
    return {
        "answer": answer,
        "presentation": _presentation(given.presentation, order),
        "active_ms": given.active_ms,
        "wall_ms": given.wall_ms,
    }


def checked_answer(asking: Asking, item: Item, given: Mapping[str, Any]) -> str:
    """The answer in canonical JSON. Raises InvalidAnswer, saying where it does not fit."""
    try:
        answer = asking.kind.answer.model_validate_json(canonical_json(dict(given)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "answer"
        raise InvalidAnswer(f"{place}: {first['msg']}.") from None
    except (TypeError, ValueError) as error:
        raise InvalidAnswer(f"The answer is no JSON: {error}.") from None
    fault = asking.kind.check(
        asking.question, answer, [response.text for response in item.responses]
    )
    if fault:
        raise InvalidAnswer(fault)
    return canonical_json(answer.model_dump(mode="json")).decode()


def _presentation(shown: Presentation, order: tuple[int, ...]) -> str:
    if shown.order is not None and tuple(shown.order) != order:
        raise InvalidAnswer(f"The order shown is {list(shown.order)}, not {list(order)}.")
    record = {"order": list(order), "ui_version": shown.ui_version, "rendered": shown.rendered}
    return canonical_json(record | ({"extra": dict(shown.extra)} if shown.extra else {})).decode()
