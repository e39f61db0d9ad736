"""What a judge's words come to: a verdict, or none. Nothing here guesses.

A judge that hesitates, contradicts itself, repeats what it read or answers another question gives
no verdict. That is counted, and is neither a tie nor a loss.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["unclear", "failed"]


@dataclass(frozen=True, slots=True)
class NoVerdict:
    """Why there is none.

    ``unclear``: the judge answered, and not with one of the options; asking again changes nothing.
    ``failed``: it could not be asked, or its answer did not arrive; the work is not complete.
    """

    kind: Kind
    detail: str


def read_choice(text: str, options: Sequence[str]) -> str | NoVerdict:
    """The option a written answer names.

    It counts when the whole answer is the option (case, and punctuation around it, aside), or when
    it has a line ``Answer: OPTION`` and no line that names another one.
    """
    named = {option.casefold(): option for option in options}
    whole = named.get(_bare(text))
    if whole is not None:
        return whole
    lines = [match.group(1) for match in ANSWER.finditer(text)]
    found = {named.get(_bare(line)) for line in lines}
    if len(found) == 1 and (only := found.pop()) is not None:
        return only
    if not lines:
        return NoVerdict("unclear", f"none of {', '.join(options)} in {_short(text)}")
    return NoVerdict("unclear", f"several answers, or none of the options, in {_short(text)}")


ANSWER = re.compile(r"^[ \t*_#>]*(?:final )?answer[ \t*_]*:[ \t]*(.+?)[ \t]*$", re.I | re.M)
EDGES = " \t\r\n.,;:!*_`'\"()[]"


def read_grades(
    text: str, criteria: Sequence[str], lowest: int, highest: int
) -> dict[str, int | NoVerdict]:
    """The grade of every criterion, from lines ``NAME: NUMBER``.

    A criterion without a line, with two that differ, or with a number that is no whole one from
    ``lowest`` to ``highest`` has none.
    """
    said: dict[str, set[str]] = {name: set() for name in criteria}
    for line in text.splitlines():
        name, colon, value = line.rpartition(":")
        key = name.strip(EDGES + "-")
        if colon and key in said:
            said[key].add(value.strip(EDGES))
    return {name: _grade(name, values, lowest, highest) for name, values in said.items()}


def normalised(
    probabilities: Mapping[str, float], options: Sequence[str], *, least: float = 0.0
) -> dict[str, float] | NoVerdict:
    """P(option) / Σ P(options): what is left when the judge has to take one of them.

    ``probabilities`` are of what it would write first. No verdict when the options together have
    at most ``least`` of it: then the judge was about to say something else.
    """
    given = {option: float(probabilities.get(option, 0.0)) for option in options}
    total = math.fsum(given.values())
    if not math.isfinite(total) or min(given.values()) < 0:
        return NoVerdict("failed", "the probabilities of the options are no numbers from 0 to 1")
    if total <= least:
        return NoVerdict("unclear", f"the options have {total:.2g} of the probability")
    return {option: value / total for option, value in given.items()}


def clamped(probability: float, lowest: float, highest: float) -> float:
    """A probability held between two bounds.

    After reasoning a judge is nearly always sure of itself; Bai et al. 2022 (Constitutional AI,
    §4.1) clamp to .4 and .6 for targets that are not overconfident.
    """
    return min(max(probability, lowest), highest)


def expected_score(probabilities: Mapping[str, float]) -> float:
    """Σ_i i · P(i) over score tokens 1 … N, rescaled to [−1, 1] (Lee et al. 2023, d-RLAIF).

    N is the largest option; 1 becomes −1, N becomes 1.
    """
    highest = max(int(option) for option in probabilities)
    mean = math.fsum(int(option) * share for option, share in probabilities.items())
    return 2 * (mean - 1) / (highest - 1) - 1


def _bare(text: str) -> str:
    bare = text.strip(EDGES).casefold()
    return bare.removeprefix("answer").strip(EDGES) if bare.startswith("answer:") else bare


def _grade(name: str, values: set[str], lowest: int, highest: int) -> int | NoVerdict:
    if not values:
        return NoVerdict("unclear", f"no line for {name}")
    if len(values) > 1:
        return NoVerdict("unclear", f"several grades for {name}")
    (value,) = values
    if not re.fullmatch(r"\d{1,6}", value) or not lowest <= int(value) <= highest:
        return NoVerdict("unclear", f"{name} is graded {_short(value)}")
    return int(value)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
