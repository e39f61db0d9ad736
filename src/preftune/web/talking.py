"""A labeler's conversation with blind policies: what they answer, and the proof of it.

The server keeps no conversation. Every exchange is sealed with the project's key, together with
the seals before it, whose item it is and who is talking; an answer whose seals do not fit is
refused. What is generated is never shown with the name of who wrote it.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from preftune.artifacts import derive_seed
from preftune.feedback.kinds.conversation import ConversationQuestion, Exchange, talk_before
from preftune.feedback.store import leases, projects
from preftune.feedback.store.faults import InvalidAnswer, Refused
from preftune.feedback.store.nouns import Assignment, Item, Project
from preftune.records import BadInput, Generate, Message, Prompt, RunFailed, Sampling
from preftune.web.payloads import question_of, text_view
from preftune.web.shapes import Taken, Token
from preftune.web.who import Labeler, TheStore

KIND = "conversation"
router = APIRouter(prefix="/api", tags=["labelling"])


class Unavailable(Refused):
    """Nobody answers just now; what was said so far stands."""

    what = "unavailable"


@dataclass(slots=True)
class Policy:
    """Somebody to talk with: what writes, and how it draws. One writes one answer at a time."""

    generate: Generate
    sampling: Sampling
    lock: Lock = field(default_factory=Lock, repr=False)

    def answer(self, turns: Sequence[Mapping[str, str]], seed: int) -> str:
        """Raises :class:`RunFailed` or :class:`BadInput` where there is no answer."""
        spoken = tuple(Message(turn["role"], turn["content"]) for turn in turns)
        sampling = replace(self.sampling, seed=seed)
        with self.lock:
            (completion,) = self.generate([Prompt(spoken)], sampling)
        return completion.text.strip()


class SayRequest(Taken):
    """A message, after what was said before."""

    lease_token: Token
    turns: Annotated[list[Exchange], Field(max_length=50)] = []
    said: Annotated[str, Field(min_length=1, max_length=20_000)]


@router.post("/assignments/{assignment}/say")
def say(
    request: Request,
    assignment: Annotated[int, Path(ge=1, le=2**53)],
    asked: SayRequest,
    store: TheStore,
    person: Labeler,
) -> JSONResponse:
    """The policies' replies to a message, in the item's own order, and their seal."""
    given = leases.current(store, assignment, person.id)
    project = projects.by_id(store, given.project_id)
    if project.kind != KIND:
        raise InvalidAnswer("This project holds no conversations.")
    question: ConversationQuestion = question_of(project)
    if len(asked.turns) >= question.most_turns:
        raise InvalidAnswer(f"A conversation has at most {question.most_turns} turns here.")
    require_seals(project, given.item, person.id, asked.turns)
    leases.heartbeat(store, assignment, asked.lease_token)
    policies = _policies(request, given)
    spoken = [
        *talk_before(given.item.prompt, asked.turns),
        {"role": "user", "content": asked.said},
    ]
    replies = [
        _written(policy, spoken, derive_seed(0, project.key, given.id, person.id, len(spoken), k))
        for k, policy in enumerate(policies)
    ]
    made = Exchange(said=asked.said, replies=tuple(replies))
    seal = sealed(project, given.item, person.id, asked.turns, made)
    return JSONResponse(
        {
            "said": text_view(asked.said, True),
            "replies": [text_view(reply, True) | {"source": reply} for reply in replies],
            "seal": seal,
        }
    )


def require_seals(project: Project, item: Item, person: int, turns: Sequence[Exchange]) -> None:
    """Raises :class:`InvalidAnswer` where a reply was not written by the item's policies."""
    for place, turn in enumerate(turns):
        wanted = sealed(project, item, person, turns[:place], turn)
        if not hmac.compare_digest(wanted, turn.seal):
            raise InvalidAnswer(
                f"The replies of turn {place + 1} are not those that the policies wrote."
            )


def sealed(
    project: Project, item: Item, person: int, before: Sequence[Exchange], turn: Exchange
) -> str:
    """The seal of an exchange: over the item, who talks, what came before, and the replies."""
    told = [
        item.number,
        person,
        [[one.seal, one.kept] for one in before],
        turn.said,
        list(turn.replies),
    ]
    content = json.dumps(told, ensure_ascii=True).encode()
    return hmac.new(project.key.encode(), content, sha256).hexdigest()[:32]


def check_talk(project: Project, item: Item, person: int, answer: Mapping[str, Any]) -> None:
    """Checks the seals of a conversation that is handed in; nothing for other kinds."""
    if project.kind != KIND:
        return
    turns = answer.get("turns") or []
    try:
        given = [Exchange.model_validate(turn) for turn in turns]
    except ValueError:
        return  # the kind's own model says what is wrong
    require_seals(project, item, person, given)


def _policies(request: Request, given: Assignment) -> list[Policy]:
    known: Mapping[str, Policy] = request.app.state.policies
    names = [response.model or "" for response in given.item.responses]
    missing = [name for name in names if name not in known]
    if missing:
        raise Unavailable("Not everybody you would talk with is here. Tell whoever invited you.")
    return [known[name] for name in names]


def _written(policy: Policy, turns: Sequence[Mapping[str, str]], seed: int) -> str:
    try:
        return policy.answer(turns, seed)
    except (BadInput, RunFailed) as error:
        raise Unavailable(f"There is no reply just now: {error.sentence}") from None
