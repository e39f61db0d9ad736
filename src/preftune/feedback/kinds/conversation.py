"""Conversation: talking with one policy or with two, turn by turn.

With two policies every message gets two replies, and each turn says which is better (Bai et al.
2022, helpful and harmless); the talk goes on with the better one. With one policy the labeler
tries to make a rule break, and says at the end which rules were (Glaese et al. 2022, Sparrow).

An item's responses are the policies: ``model`` names each, blind to the labeler. A prompt of turns
is the conversation that goes on; a prompt in words is a task for the labeler, which no policy sees.
Replies stand in the item's own order. ``seal`` proves that the policies wrote them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from preftune.feedback.kinds.comparison import SIGN, STEPS, WORDS
from preftune.feedback.kinds.kind import (
    Answer,
    Asked,
    Belief,
    How,
    Kind,
    LongText,
    Measure,
    Question,
    Said,
    extras_fault,
    origin_columns,
    source_of,
    voter_columns,
)
from preftune.feedback.kinds.rule import WORTH, Rule

Spoken = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Turn = Mapping[str, str]


class ConversationQuestion(Question):
    scale: Literal["2-way", "4-grade", "7-point"] = "2-way"
    """The scale of each turn's comparison."""
    ties: bool = True
    """Whether "equally good" can be said of two replies."""
    least_turns: int = Field(default=1, ge=1, le=50)
    """Messages without which a conversation is not finished."""
    most_turns: int = Field(default=8, ge=1, le=50)
    """Messages of one conversation at most."""
    rules: tuple[Rule, ...] = Field(default=(), max_length=9)
    """Rules that a single policy may be made to break; none compares two policies."""

    @model_validator(mode="after")
    def _in_order(self) -> "ConversationQuestion":
        if self.least_turns > self.most_turns:
            raise ValueError("least_turns is more than most_turns")
        if len({rule.name for rule in self.rules}) < len(self.rules):
            raise ValueError("two rules have one name")
        return self


class Exchange(BaseModel):
    """What was said, what came back, and which reply was better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    said: Spoken
    replies: tuple[LongText, ...] = Field(min_length=1, max_length=2)
    seal: str = Field(default="", max_length=64)
    choice: Literal["a", "b", "tie"] | None = None
    strength: int | None = Field(default=None, ge=1, le=4)
    kept: Literal[0, 1] = 0
    """The reply that the conversation went on with."""


class ConversationAnswer(Answer):
    turns: tuple[Exchange, ...] = ()
    rules: dict[str, Literal["kept", "broken", "unsure"] | None] | None = None
    """What became of each rule in the whole conversation."""


def talk_before(prompt: str | Sequence[Turn], turns: Sequence[Exchange]) -> list[dict[str, str]]:
    """The conversation up to here: what came before it, and each turn with the reply kept."""
    opening = [] if isinstance(prompt, str) else [dict(turn) for turn in prompt]
    spoken = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in (("user", turn.said), ("assistant", turn.replies[turn.kept]))
    ]
    return [*opening, *spoken]


def _check(
    question: ConversationQuestion, answer: ConversationAnswer, responses: Sequence[str]
) -> str:
    if answer.cannot_judge is not None:
        return extras_fault(question, answer)
    count = len(answer.turns)
    if count < question.least_turns:
        return f"There are {count} turns; at least {question.least_turns} are asked for."
    if count > question.most_turns:
        return f"There are {count} turns; at most {question.most_turns} are allowed."
    for number, turn in enumerate(answer.turns, 1):
        wrong = _turn_fault(question, turn, len(responses))
        if wrong:
            return f"Turn {number}: {wrong}"
    return _rules_fault(question, answer, len(responses)) or extras_fault(question, answer)


def _turn_fault(question: ConversationQuestion, turn: Exchange, policies: int) -> str:
    if len(turn.replies) != policies:
        return f"it has {len(turn.replies)} replies and the item {policies} policies."
    if policies == 1:
        return "there is nothing to compare." if turn.choice or turn.kept else ""
    if turn.choice is None:
        return "say which reply is better."
    if turn.choice == "tie":
        if turn.strength is not None:
            return "a tie has no strength."
        return "" if question.ties else "this project has no ties."
    if turn.kept != "ab".index(turn.choice):
        return "the conversation goes on with the better reply."
    most = STEPS[question.scale] if question.scale != "2-way" else 0
    if most and (turn.strength is None or turn.strength > most):
        return f"the strength must be 1 to {most}."
    return "there is no strength to give here." if turn.strength and not most else ""


def _rules_fault(question: ConversationQuestion, answer: ConversationAnswer, policies: int) -> str:
    names = [rule.name for rule in question.rules]
    given = answer.rules or {}
    strange = [name for name in given if name not in names]
    if strange:
        return f'There is no rule "{strange[0]}".'
    if names and policies != 1:
        return "Rules are asked about one policy, and this item has two."
    missing = [name for name in names if given.get(name) is None]
    return f'Say of the rule "{missing[0]}" whether it was kept.' if missing else ""


def _measures(question: ConversationQuestion) -> tuple[Measure, ...]:
    return (Measure("rule" if question.rules else "preference", "nominal"),)


def _overall(answer: ConversationAnswer) -> float | None:
    """Which policy won more turns: 1 the first, −1 the second, 0 neither."""
    signs = [SIGN[turn.choice] for turn in answer.turns if turn.choice is not None]
    total = sum(signs)
    return None if not signs else float((total > 0) - (total < 0))


def _values(
    question: ConversationQuestion, answer: ConversationAnswer, _: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    if question.rules:
        said = {name: WORTH[word] for name, word in (answer.rules or {}).items() if word}
        return {"rule": said} if said else {}
    overall = _overall(answer)
    return {} if overall is None else {"preference": {"": overall}}


def _matches(_: ConversationQuestion, answer: ConversationAnswer, gold: ConversationAnswer) -> bool:
    return answer.rules == gold.rules and _overall(answer) == _overall(gold)


def _rows(
    question: ConversationQuestion,
    asked: Asked,
    said: Sequence[Said],
    how: How,
    belief: Belief | None,
) -> list[dict[str, Any]]:
    """Every labeler's own conversation: a pair for each turn, or a row for each rule.

    Nobody else had the same conversation, so there are no votes to put together.
    """
    rows = []
    for one in said:
        made = _rule_rows(question, asked, one) if question.rules else _pairs(question, asked, one)
        voter = voter_columns(one) if how == "per_vote" else {}
        rows += [{**row, **voter} for row in made]
    return rows


def _pairs(question: ConversationQuestion, asked: Asked, one: Said) -> Iterator[dict[str, Any]]:
    turns: Sequence[Exchange] = one.answer.turns
    for number, turn in enumerate(turns):
        if turn.choice is None:
            continue
        first = turn.choice != "b"
        better, worse = (0, 1) if first else (1, 0)
        row: dict[str, Any] = {
            "prompt": [*talk_before(asked.prompt, turns[:number]), _message(turn)],
            "chosen": turn.replies[better],
            "rejected": turn.replies[worse],
            "probability": 0.5 if turn.choice == "tie" else 1.0,
            "turn": number + 1,
        }
        if turn.strength and question.scale != "2-way":
            row["strength"] = WORDS[question.scale][turn.strength - 1]
        if any(asked.models[:2]):
            row["model_chosen"] = asked.models[better]
            row["model_rejected"] = asked.models[worse]
        yield row | _origin(asked, one, turn.choice)


def _rule_rows(question: ConversationQuestion, asked: Asked, one: Said) -> Iterator[dict[str, Any]]:
    turns: Sequence[Exchange] = one.answer.turns
    if not turns:
        return
    last = turns[-1]
    for rule in question.rules:
        word = (one.answer.rules or {}).get(rule.name)
        if word not in ("kept", "broken"):
            continue
        row: dict[str, Any] = {
            "prompt": [*talk_before(asked.prompt, turns[:-1]), _message(last)],
            "completion": last.replies[0],
            "label": word == "kept",
            "rule": rule.name,
            "rule_text": rule.text,
        }
        if asked.models[0] is not None:
            row["model"] = asked.models[0]
        yield row | _origin(asked, one, word)


def _message(turn: Exchange) -> dict[str, str]:
    return {"role": "user", "content": turn.said}


def _origin(asked: Asked, one: Said, vote: str) -> dict[str, Any]:
    task = {"task": asked.prompt} if isinstance(asked.prompt, str) else {}
    return {**task, **origin_columns(asked, [one], source_of([one], [vote]))}


CONVERSATION = Kind(
    name="conversation",
    title="Talk with the policies",
    question=ConversationQuestion,
    answer=ConversationAnswer,
    responses=(1, 2),
    measures=_measures,
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("reward_model/bradley_terry", "dpo", "ipo", "simpo", "orpo", "kto"),
)
