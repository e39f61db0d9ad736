"""Rewarding code by the tests it passes, each program in the sandbox."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from preftune.recipe.rules import CodeRule
from preftune.records import BadInput, Completion
from preftune.rewards.rules_structure import fenced_block
from preftune.rewards.sandbox import Limits, run_code


def code(completions: Sequence[Completion], rule: CodeRule) -> list[float | None]:
    """The share of its row's tests that each response's code passes; None for rows without tests.

    Code that raises, takes too long or dies passes none. Raises :class:`BadInput` for a column
    that holds no tests, :class:`preftune.records.RunFailed` where code cannot be confined.
    """
    limits = Limits(rule.seconds, rule.cpu_seconds, rule.memory_mb << 20, rule.open_files)

    def share(completion: Completion) -> float | None:
        tests = _tests(completion, rule.column)
        if tests is None:
            return None
        block = fenced_block(completion.text)
        ran = run_code(completion.text if block is None else block, tests, limits)
        return sum(ran.passed) / len(tests)

    with ThreadPoolExecutor(rule.workers) as threads:
        return list(threads.map(share, completions))


def _tests(completion: Completion, column: str) -> list[str] | None:
    given = completion.prompt.columns.get(column)
    if given is None:
        return None
    tests = [given] if isinstance(given, str) else given
    if not isinstance(tests, list | tuple) or not tests:
        raise BadInput(
            f"The column {column!r} holds no tests.", remedy="A text of Python, or more."
        )
    if not all(isinstance(test, str) for test in tests):
        raise BadInput(f"A test in the column {column!r} is no text of Python.")
    return list(tests)
