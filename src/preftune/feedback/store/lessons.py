"""The training session: known answers, explained at once, and a mark to reach.

A session is ``training_items`` lessons the person never had before; with the share right at or
above the pass mark the work begins, below it another session with other lessons does.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from preftune.feedback.kinds import kind
from preftune.feedback.store import queue
from preftune.feedback.store.nouns import Item, Lesson, Project
from preftune.feedback.store.schema import ASSIGNMENT, ITEM, JUDGMENT, MEMBERSHIP

_TRAINING = (ITEM.c.project_id == queue.HERE) & (ITEM.c.purpose == "training")
_COUNT = select(func.count()).select_from(ITEM).where(_TRAINING)


def any_here(connection: Connection, known: Mapping[str, Any]) -> bool:
    """Whether the project has any lesson at all."""
    return bool(connection.execute(_COUNT, dict(known)).scalar_one())


def left(connection: Connection, known: Mapping[str, Any]) -> bool:
    """Whether there is a lesson for this person: one under way, or one they never had."""
    under_way = select(ASSIGNMENT.c.id).where(
        ASSIGNMENT.c.project_id == queue.HERE,
        ASSIGNMENT.c.annotator_id == queue.ME,
        ASSIGNMENT.c.attempt > 0,
        ASSIGNMENT.c.state == "leased",
    )
    if connection.execute(under_way.limit(1), dict(known)).first() is not None:
        return True
    return queue.next_lesson(connection, dict(known)) is not None


def learn(
    connection: Connection, project: Project, item: Item, assignment: Any, now: float
) -> Lesson:
    """What the answer just stored was worth, and whether the session is over."""
    answers = _answers(connection, assignment)
    right = {item_id: _right(project, answer, gold) for item_id, answer, gold in answers}
    total = connection.execute(_COUNT, {"project_id": project.id}).scalar_one()
    training = project.training
    needed = min(training.items if training else 1, total)
    share = sum(right.values()) / len(right)
    passed = None
    if len(right) >= needed:
        passed = training is None or share >= training.pass_mark
        change = {"trained_at": now} if passed else {"training_attempt": assignment.attempt + 1}
        connection.execute(
            update(MEMBERSHIP)
            .where(
                MEMBERSHIP.c.project_id == project.id,
                MEMBERSHIP.c.annotator_id == assignment.annotator_id,
            )
            .values(**change)
        )
    return Lesson(
        right=right[item.number],
        gold=item.gold or {},
        explanation=item.explanation,
        done=len(right),
        needed=needed,
        share_right=share,
        passed=passed,
    )


def _answers(connection: Connection, assignment: Any) -> list[tuple[int, str, str]]:
    """Item, answer and known answer of everything in this attempt."""
    chosen = (
        select(JUDGMENT.c.item_id, JUDGMENT.c.answer, ITEM.c.gold)
        .join(ASSIGNMENT, ASSIGNMENT.c.id == JUDGMENT.c.assignment_id)
        .join(ITEM, ITEM.c.id == JUDGMENT.c.item_id)
        .where(
            ASSIGNMENT.c.annotator_id == assignment.annotator_id,
            ASSIGNMENT.c.project_id == assignment.project_id,
            ASSIGNMENT.c.attempt == assignment.attempt,
            JUDGMENT.c.status != "surplus",
        )
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(chosen)]


def _right(project: Project, answer: str, gold: str) -> bool:
    return is_right(project, json.loads(answer), json.loads(gold))


def is_right(project: Project, answer: Mapping[str, Any], gold: Mapping[str, Any]) -> bool:
    """Whether an answer matches the known one, by the kind's own rule."""
    one = kind(project.kind)
    question = one.question.model_validate(project.question)
    given, known = one.answer.model_validate(answer), one.answer.model_validate(gold)
    return one.matches(question, given, known)
