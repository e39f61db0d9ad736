"""Which of two responses is better, asked in both orders.

A judge that prefers what it reads first is even between the orders, and its mean verdict is .5;
one that answers in one order only has given no verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from preftune.judging.asking import Answer, Ask, Question, Write
from preftune.judging.templates import Template, template, transcript
from preftune.judging.verdicts import NoVerdict, clamped
from preftune.records import BadInput, Comparison, Prompt

OPTIONS = ("A", "B")
QUESTION = "Which response is better: more helpful to the person, true, and harmless?"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one prompt, and the question they are compared by."""

    prompt: Prompt
    first: str
    second: str
    question: str = QUESTION


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Chain of thought before the verdict, and the bounds its probability is held between.

    ``clamp`` is applied to each order's probability (Bai et al. 2022: .4 and .6; .2 and .8 did
    slightly better there; None leaves it).
    """

    write: Write
    clamp: tuple[float, float] | None = (0.4, 0.6)
    reasons: Template = template("reasons.v1")
    verdict: Template = template("verdict.v1")


@dataclass(frozen=True, slots=True)
class PairOpinion:
    """P(first is better) when the first was shown first, and when it was shown second."""

    forward: float | NoVerdict
    backward: float | NoVerdict

    @property
    def probability(self) -> float | None:
        """The mean of both orders; None unless both have a verdict."""
        if isinstance(self.forward, NoVerdict) or isinstance(self.backward, NoVerdict):
            return None
        return (self.forward + self.backward) / 2

    @property
    def consistent(self) -> bool | None:
        """Whether both orders prefer the same response; None unless both have a verdict.

        An order that is exactly even agrees with every other.
        """
        if isinstance(self.forward, NoVerdict) or isinstance(self.backward, NoVerdict):
            return None
        return (self.forward - 0.5) * (self.backward - 0.5) >= 0

    @property
    def missing(self) -> NoVerdict | None:
        """Why there is no probability; a failure goes before an unclear answer."""
        found = [side for side in (self.forward, self.backward) if isinstance(side, NoVerdict)]
        return min(found, key=lambda side: side.kind != "failed", default=None)


def compare(
    pairs: Sequence[Pair],
    ask: Ask,
    *,
    prompt: Template | None = None,
    reasoning: Reasoning | None = None,
) -> list[PairOpinion]:
    """An opinion on each pair; every pair is asked twice, once in each order.

    With ``reasoning`` the judge first writes its reasons and is then asked for the verdict with
    them before it; ``prompt`` is not used then. Raises :class:`BadInput` for a prompt without the
    places that hold the responses.
    """
    asked = prompt or (reasoning.verdict if reasoning else template("pairwise.v1"))
    _shows_both(asked if reasoning is None else reasoning.reasons)
    if reasoning is not None and "reasons" not in asked.places:
        _shows_both(asked)
    turns = [fields for pair in pairs for fields in _both_orders(pair)]
    if reasoning is None:
        answers = ask([Question(asked.fill(**fields), OPTIONS) for fields in turns])
    else:
        answers = _reasoned(turns, ask, reasoning)
    clamp = reasoning.clamp if reasoning else None
    return [
        PairOpinion(
            _first(answers[2 * place], OPTIONS[0], clamp),
            _first(answers[2 * place + 1], OPTIONS[1], clamp),
        )
        for place in range(len(pairs))
    ]


def labelled(
    pairs: Sequence[Pair], opinions: Sequence[PairOpinion], *, judge: str
) -> list[Comparison]:
    """Comparisons with the judge's probability as soft label; pairs without a verdict are absent.

    Soft labels do better than hard ones (Bai et al. 2022). An even verdict keeps the order given,
    with probability .5. The column ``judge`` says whose label it is.
    """
    rows = []
    for pair, opinion in zip(pairs, opinions, strict=True):
        p = opinion.probability
        if p is None:
            continue
        chosen, rejected = (pair.first, pair.second) if p >= 0.5 else (pair.second, pair.first)
        columns = {**pair.prompt.columns, "judge": judge}
        rows.append(Comparison(pair.prompt, chosen, rejected, max(p, 1 - p), columns=columns))
    return rows


def _shows_both(asked: Template) -> None:
    if not {"a", "b"} <= asked.places:
        raise BadInput(
            f"The judge prompt {asked.name!r} has no places {{{{a}}}} and {{{{b}}}}.",
            remedy="Both responses must stand in a pairwise prompt.",
        )


def _both_orders(pair: Pair) -> tuple[dict[str, str], dict[str, str]]:
    shared = {"question": pair.question, "conversation": transcript(pair.prompt.text)}
    return (
        {**shared, "a": pair.first, "b": pair.second},
        {**shared, "a": pair.second, "b": pair.first},
    )


def _reasoned(turns: Sequence[dict[str, str]], ask: Ask, reasoning: Reasoning) -> list[Answer]:
    reasons = reasoning.write([reasoning.reasons.fill(**fields) for fields in turns])
    answers: list[Answer] = [text if isinstance(text, NoVerdict) else {} for text in reasons]
    written = [place for place, text in enumerate(reasons) if isinstance(text, str)]
    questions = [
        Question(reasoning.verdict.fill(**turns[place], reasons=str(reasons[place])), OPTIONS)
        for place in written
    ]
    for place, answer in zip(written, ask(questions), strict=True):
        answers[place] = answer
    return answers


def _first(answer: Answer, option: str, clamp: tuple[float, float] | None) -> float | NoVerdict:
    """P(the first response), which this order showed as ``option``."""
    if isinstance(answer, NoVerdict):
        return answer
    return answer[option] if clamp is None else clamped(answer[option], *clamp)
