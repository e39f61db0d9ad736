"""Rules about the answer a response comes to: exact, numeric, by majority, implied by its steps."""

import ast
import operator
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction

from preftune.recipe.rules import ExactRule, MajorityRule, NumericRule, StepsRule
from preftune.records import Completion

NUMBER = re.compile(r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-−]?\.\d+")
EQUATION = re.compile(
    r"(?<![\w.])(\(?[-−]?[$(]*\d[\d,.$()\s+\-−*/×÷%]*?)\s*=\s*\$?([-−]?[\d,]*\.?\d+)(?!\d)"
)
SIGNS = str.maketrans({"−": "-", "×": "*", "÷": "/", "$": None, ",": None})
LONGEST = 40
"""Digits of a number at most: nobody's answer has more, and huge ones cost time."""

OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def exact(completions: Sequence[Completion], rule: ExactRule) -> list[float | None]:
    """Whether the answers are equal, blanks and where wanted case aside."""
    found: list[float | None] = []
    for completion in completions:
        right = completion.prompt.columns.get(rule.column)
        if right is None:
            found.append(None)
            continue
        said = _after(completion.text, rule.marker)
        found.append(float(_plain(said, rule.ignore_case) == _plain(str(right), rule.ignore_case)))
    return found


def numeric(completions: Sequence[Completion], rule: NumericRule) -> list[float | None]:
    """Whether the numbers are equal, within the tolerance; exact fractions, not floats."""
    found: list[float | None] = []
    for completion in completions:
        column = completion.prompt.columns.get(rule.column)
        right = None if column is None else final_number(str(column), rule.marker)
        if right is None:
            found.append(None)
            continue
        unmarked = rule.needs_marker and rule.marker not in completion.text
        said = None if unmarked else final_number(completion.text, rule.marker)
        found.append(float(said is not None and abs(said - right) <= Fraction(rule.tolerance)))
    return found


def majority(completions: Sequence[Completion], rule: MajorityRule) -> list[float | None]:
    """Whether each answer is the one most responses to its prompt give."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, completion in enumerate(completions):
        groups[completion.prompt.id].append(place)
    said = [final_number(c.text, rule.marker) for c in completions]
    found: list[float | None] = [None] * len(completions)
    for places in groups.values():
        if len(places) < 2:
            continue
        voted = majority_of([said[place] for place in places])
        for place in places:
            found[place] = float(voted is not None and said[place] == voted)
    return found


def majority_of(answers: Sequence[Fraction | None]) -> Fraction | None:
    """The answer with most votes; None for a tie or no answer (Wang et al. 2022,
    self-consistency)."""
    ranked = Counter(answer for answer in answers if answer is not None).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def worked_steps(completions: Sequence[Completion], rule: StepsRule) -> list[float | None]:
    """Whether all steps are right and the last one's result is the answer given."""
    return [_worked(c.text, rule.marker) for c in completions]


def final_number(text: str, marker: str) -> Fraction | None:
    """The first number after the last marker; without a marker the last number of the text."""
    _, found, after = text.rpartition(marker)
    numbers = [match for match in NUMBER.findall(after) if len(match) <= LONGEST]
    if not numbers:
        return None
    return _number(numbers[0] if found else numbers[-1])


def worth(expression: str) -> Fraction | None:
    """The exact value of sums, differences, products and quotients of numbers; None otherwise."""
    try:
        tree = ast.parse(expression.translate(SIGNS).strip().replace("%", "/100"), mode="eval")
        return _value(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None


def _worked(text: str, marker: str) -> float | None:
    steps = EQUATION.findall(text.replace("<<", " ").replace(">>", " "))
    worked = [(worth(left), right) for left, right in steps if re.search(r"\d\D+\d", left)]
    checked = [(value, _number(right)) for value, right in worked if value is not None]
    if not checked:
        return None
    answer = final_number(text, marker)
    right = all(_equal(value, said) for value, said in checked)
    return float(right and answer is not None and _equal(checked[-1][0], answer))


def _equal(value: Fraction, said: Fraction) -> bool:
    """Equal, or equal once the value is rounded to the digits that were said (1/3 = .33)."""
    digits = 0
    while digits < 6 and (said * 10**digits).denominator != 1:
        digits += 1
    return value == said or (digits > 0 and round(value, digits) == said)


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        if len(str(node.value)) > LONGEST:
            raise ValueError
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        value: Fraction = OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
        return value
    raise ValueError


def _number(text: str) -> Fraction:
    return Fraction(text.translate(SIGNS))


def _after(text: str, marker: str | None) -> str:
    return text if marker is None else text.rpartition(marker)[2]


def _plain(text: str, ignore_case: bool) -> str:
    joined = " ".join(text.split())
    return joined.casefold() if ignore_case else joined
