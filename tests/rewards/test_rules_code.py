"""Code rewarded by the tests it passes."""

import pytest

from preftune.recipe.rules import CodeRule
from preftune.records import BadInput
from preftune.rewards import RuleScore
from tests.rewards.made import completions

TESTS = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0", "assert add('a', 'b') == 'ab'"]
GOOD = "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nDone."
HALF = "def add(a, b):\n    return abs(a) + b"


def test_the_share_of_tests_passed() -> None:
    """The half-right one passes the first only: abs(−1) + 1 is 2, and a text has no abs."""
    score = RuleScore(CodeRule(seconds=30))
    batch = completions(GOOD, HALF, "while True: pass", "no code", tests=[TESTS, TESTS, None, "1"])
    found = [None if axes is None else axes["score"] for axes in score(batch)]
    assert found == [1.0, pytest.approx(1 / 3), None, 0.0]


@pytest.mark.parametrize("tests", [[], 3, [3]])
def test_a_column_that_holds_no_tests(tests: object) -> None:
    with pytest.raises(BadInput, match="tests"):
        RuleScore(CodeRule())(completions(GOOD, tests=[tests]))
