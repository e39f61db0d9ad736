"""Whether a response is borne out by a text it was given (Sparrow's evidence, Glaese et al. 2022).

By words: every number and name of a sentence stands in the text, and most of its other words do.
"""

import re
from collections.abc import Sequence

from preftune.recipe.rules import SupportedRule
from preftune.records import Completion
from preftune.rewards.rules_answers import NUMBER
from preftune.rewards.rules_text import WORDS

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def supported(completions: Sequence[Completion], rule: SupportedRule) -> list[float | None]:
    """The share of sentences that the column's text bears out.

    None for rows without the column, and where no sentence says anything.
    """
    found: list[float | None] = []
    for completion in completions:
        evidence = completion.prompt.columns.get(rule.column)
        if evidence is None:
            found.append(None)
            continue
        told = [_borne_out(s, str(evidence), rule.least) for s in SENTENCE.split(completion.text)]
        known = [one for one in told if one is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def _borne_out(sentence: str, evidence: str, least: float) -> bool | None:
    """None for a sentence without a number, a name or a word of content."""
    numbers = {_plain(number) for number in NUMBER.findall(sentence)}
    words = WORD.findall(sentence)
    names = {word.casefold() for word in words[1:] if word[0].isupper() and len(word) > 1}
    content = [w.casefold() for w in words if w.casefold() not in WORDS["en"]]
    if not numbers and not content:
        return None
    there = {word.casefold() for word in WORD.findall(evidence)}
    if not numbers <= {_plain(number) for number in NUMBER.findall(evidence)}:
        return False
    if not names <= there:
        return False
    return not content or sum(word in there for word in content) / len(content) >= least


def _plain(number: str) -> str:
    return number.replace(",", "").replace("−", "-")
