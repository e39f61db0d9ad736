"""What the labelling screen is sent: an item as this person sees it, and nothing that unblinds it.

No model, no sampling settings, no item name, no place in the queue, and nothing that tells a hidden
check from ordinary work.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from preftune.feedback.kinds import kind
from preftune.feedback.kinds.steps import StepsQuestion, steps_of
from preftune.feedback.store.nouns import (
    Assignment,
    Item,
    Judgment,
    Lesson,
    Nothing,
    Project,
    PromptText,
    Receipt,
)
from preftune.web.rendering import rendered, visible

NOTHING = {
    "done": "You have judged everything there is for you in this project. Thank you.",
    "all_assigned": "Everything left is with other people just now. An item comes back when "
    "somebody gives it up, so it is worth looking again later.",
    "needs_training": "Before the work there is a short training on items with known answers.",
    "failed_training": "The training was not passed, and there are no more training items. "
    "Ask whoever invited you how to go on.",
    "paused": "The project is paused: nothing is handed out until a lead opens it again.",
    "no_items": "This project has no items yet. A lead adds them.",
}
"""What a person is told when there is nothing to label, and why."""


def text_view(text: str, render: bool) -> dict[str, Any]:
    """A text in both views; ``html`` is null where there is only the raw one."""
    html = rendered(text) if render else None
    return {"text": visible(text), "html": None if html is None else str(html)}


def turns_of(prompt: PromptText) -> list[dict[str, str]]:
    """The prompt as a list of turns; a string is one turn of the user's."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in prompt]


def item_view(project: Project, item: Item, order: Sequence[int], render: bool) -> dict[str, Any]:
    """The item in the order ``order``: ``responses[k]`` is response ``order[k]`` of the item."""
    view: dict[str, Any] = {
        "context": [
            {"role": turn["role"], **text_view(turn["content"], render)}
            for turn in turns_of(item.prompt)
        ],
        "responses": [
            {"index": index, **text_view(item.responses[index].text, render)} for index in order
        ],
        "order": list(order),
    }
    if project.kind == "rewrite":  # the text to mend, to the letter
        view["responses"][0]["source"] = item.responses[0].text
    if project.kind == "conversation":  # what is shown comes while they talk
        view["talk"] = True
        view["responses"] = [{"index": index, "text": "", "html": None} for index in order]
        if isinstance(item.prompt, str):
            view["context"][0]["role"] = "task"
    if project.kind == "steps":
        question = StepsQuestion.model_validate(dict(project.question))
        steps = steps_of(question, item.responses[0].text)
        view["steps"] = [text_view(step, render) for step in steps]
    return view


def assignment_view(project: Project, given: Assignment, render: bool) -> dict[str, Any]:
    """An assignment, with what its holder needs to answer it."""
    return {
        "assignment": {
            "id": given.id,
            "lease_token": given.lease_token,
            "lease_seconds": max(0.0, round(given.lease_until - time.time(), 1)),
            "epoch": given.epoch,
            "training": given.training,
        },
        "item": item_view(project, given.item, given.order, render),
        "guideline_version": given.guideline_version,
        "draft": given.draft,
        "draft_at": given.draft_at,
        "nothing": None,
    }


def nothing_view(given: Nothing) -> dict[str, Any]:
    return {
        "assignment": None,
        "item": None,
        "guideline_version": None,
        "draft": None,
        "draft_at": None,
        "nothing": {
            "reason": given.reason,
            "sentence": NOTHING[given.reason],
            "retry_seconds": given.retry_seconds,
        },
    }


def receipt_view(receipt: Receipt, render: bool) -> dict[str, Any]:
    return {
        "judgment_id": receipt.judgment_id,
        "revision": receipt.revision,
        "status": receipt.status,
        "replayed": receipt.replayed,
        "lesson": None if receipt.lesson is None else _lesson_view(receipt.lesson, render),
    }


def _lesson_view(lesson: Lesson, render: bool) -> dict[str, Any]:
    return {
        "right": lesson.right,
        "gold": dict(lesson.gold),
        "explanation": text_view(lesson.explanation, render),
        "done": lesson.done,
        "needed": lesson.needed,
        "share_right": lesson.share_right,
        "passed": lesson.passed,
    }


def judgment_view(judgment: Judgment, may_revise_until: float) -> dict[str, Any]:
    """A person's own judgment, as their list of decisions shows it."""
    return {
        "judgment_id": judgment.judgment_id,
        "revision": judgment.revision,
        "status": judgment.status,
        "answer": dict(judgment.answer),
        "order": order_of(judgment),
        "created_at": judgment.created_at,
        "revisable_seconds": max(0.0, round(may_revise_until - time.time(), 1)),
    }


def order_of(judgment: Judgment) -> list[int]:
    """The order the responses were shown in; empty where there were none."""
    order = judgment.presentation.get("order") or ()
    return [int(place) for place in order]


def answer_said(project: Project, answer: Mapping[str, Any], order: Sequence[int]) -> str:
    """An answer in a few words, by the letters of the screen: place 0 is A."""
    letters = {index: chr(ord("A") + place) for place, index in enumerate(order)}
    if answer.get("cannot_judge"):
        return f"cannot judge: {answer['cannot_judge']}"
    return _SAID[project.kind](answer, letters)


def _comparison(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    choice, bad = answer.get("choice"), "both bad" if answer.get("both_bad") else ""
    if choice in ("a", "b"):
        strength = answer.get("strength")
        better = f"{letters.get('ab'.index(choice), choice)} better"
        said = better + (f" (strength {strength})" if strength else "")
    else:
        said = "tie" if choice == "tie" else ""
    return ", ".join(part for part in (said, bad) if part)


def _ranking(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    ranks = answer.get("ranks") or []
    levels: dict[int, list[str]] = {}
    for index, rank in enumerate(ranks):
        levels.setdefault(rank, []).append(letters.get(index, str(index + 1)))
    return " > ".join(" = ".join(sorted(levels[rank])) for rank in sorted(levels))


def _ratings(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    parts = []
    for index, given in enumerate(answer.get("ratings") or []):
        axes = ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        parts.append(f"{letters.get(index, '')}: {axes}" if len(letters) > 1 else axes)
    return "; ".join(parts)


def _text(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    text = str(answer.get("text") or "")
    return text if len(text) <= 80 else f"{text[:79]}…"


def _steps(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    return ", ".join(
        f"{place} {mark}" for place, mark in enumerate(answer.get("marks") or [], 1) if mark
    )


def _rules(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    return ", ".join(f"{name}: {word}" for name, word in (answer.get("rules") or {}).items())


def _flags(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    found = [flag["fault"].replace("_", " ") for flag in answer.get("found") or []]
    return ", ".join(found) or "nothing found"


def _conversation(answer: Mapping[str, Any], letters: Mapping[int, str]) -> str:
    turns = answer.get("turns") or []
    said = [f"{len(turns)} turn{'' if len(turns) == 1 else 's'}"]
    for index, name in enumerate("ab"):
        wins = sum(turn.get("choice") == name for turn in turns)
        if wins:
            said.append(f"{letters.get(index, name)} better in {wins}")
    return ", ".join([*said, *([_rules(answer, letters)] if answer.get("rules") else [])])


_SAID = {
    "comparison": _comparison,
    "ranking": _ranking,
    "ratings": _ratings,
    "thumbs": lambda answer, letters: str(answer.get("thumb") or ""),
    "demonstration": _text,
    "rewrite": _text,
    "steps": _steps,
    "rule": _rules,
    "conversation": _conversation,
    "flags": _flags,
}


def question_of(project: Project) -> Any:
    """The project's question as its kind's own model, defaults filled in."""
    return kind(project.kind).question.model_validate(dict(project.question))
