"""One response by itself: a rating, the grades of a rubric, whether propositions hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preftune.judging.asking import Answer, Ask, Question, Write
from preftune.judging.templates import Template, template, transcript
from preftune.judging.verdicts import NoVerdict, expected_score, read_grades
from preftune.records import BadInput, Prompt

QUALITY = "How good is the response: helpful to the person, true, and harmless?"
YES_NO = ("yes", "no")
MOST = 9
"""A rating has one digit, so that no option is the start of another and a first token decides.
Lee et al. ask for 1 to 10."""


@dataclass(frozen=True, slots=True)
class Response:
    """What is graded, and the prompt it answers."""

    prompt: Prompt
    text: str

    def fields(self) -> dict[str, str]:
        return {"conversation": transcript(self.prompt.text), "response": self.text}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rubric: what is asked, and its weight in the total."""

    name: str
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade for each criterion; ``total`` is None unless all have one."""

    grades: Mapping[str, int | NoVerdict]
    total: float | None
    """Σ weight · (grade − lowest) / (highest − lowest) over Σ weight, 0 to 1."""


def rate(
    responses: Sequence[Response],
    ask: Ask,
    *,
    question: str = QUALITY,
    highest: int = MOST,
    prompt: Template | None = None,
) -> list[float | NoVerdict]:
    """The expected rating of each response in [−1, 1], over the scores 1 … ``highest``.

    Raises :class:`BadInput` for a scale of fewer than 2 or more than 9 steps.
    """
    if not 2 <= highest <= MOST:
        raise BadInput(
            f"A rating goes from 1 to at least 2 and at most {MOST}, not {highest}.",
            remedy="With more, one number would be the start of another.",
        )
    asked = prompt or template("rating.v1")
    options = tuple(str(number) for number in range(1, highest + 1))
    limits = {"lowest": "1", "highest": str(highest), "question": question}
    answers = ask([Question(asked.fill(**limits, **r.fields()), options) for r in responses])
    return [a if isinstance(a, NoVerdict) else expected_score(a) for a in answers]


def grade(
    responses: Sequence[Response],
    criteria: Sequence[Criterion],
    write: Write,
    *,
    highest: int = 5,
    prompt: Template | None = None,
) -> list[Graded | NoVerdict]:
    """The grades of each response on every criterion, 1 to ``highest``, in one answer each.

    Raises :class:`BadInput` for no criterion, two of one name, or weights that are not positive.
    """
    names = [criterion.name for criterion in criteria]
    if not names or len(set(names)) < len(names) or min(c.weight for c in criteria) <= 0:
        raise BadInput("A rubric has criteria with names of their own and positive weights.")
    if highest < 2:
        raise BadInput(f"Grades go from 1 to at least 2, not {highest}.")
    asked = prompt or template("rubric.v1")
    lines = "\n".join(f"{criterion.name}: {criterion.text}" for criterion in criteria)
    limits = {"criteria": lines, "lowest": "1", "highest": str(highest)}
    texts = write([asked.fill(**limits, **response.fields()) for response in responses])
    return [
        text if isinstance(text, NoVerdict) else _graded(text, criteria, highest) for text in texts
    ]


def propositions_hold(
    responses: Sequence[Response],
    propositions: Mapping[str, str],
    ask: Ask,
    *,
    prompt: Template | None = None,
) -> list[dict[str, float | NoVerdict]]:
    """P(yes) of every named proposition for each response.

    ``propositions`` maps names to the words that are asked: a statement, or a question that yes
    answers.
    """
    asked = prompt or template("proposition.v1")
    questions = [
        Question(asked.fill(proposition=text, **response.fields()), YES_NO)
        for response in responses
        for text in propositions.values()
    ]
    answers = iter(ask(questions))
    return [{name: _yes(next(answers)) for name in propositions} for _ in responses]


def _yes(answer: Answer) -> float | NoVerdict:
    return answer if isinstance(answer, NoVerdict) else answer[YES_NO[0]]


def _graded(text: str, criteria: Sequence[Criterion], highest: int) -> Graded:
    grades = read_grades(text, [criterion.name for criterion in criteria], 1, highest)
    total = 0.0
    for criterion in criteria:
        value = grades[criterion.name]
        if isinstance(value, NoVerdict):
            return Graded(grades, None)
        total += criterion.weight * (value - 1) / (highest - 1)
    return Graded(grades, total / sum(criterion.weight for criterion in criteria))
