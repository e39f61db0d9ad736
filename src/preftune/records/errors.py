"""The errors a person meets: one sentence, where it happened, what to do.

Raise these for anything a user can mend; every verb turns them into an exit code and, with
``--json``, into ``{"error": {"sentence", "file", "line", "remedy"}}``. Anything else that
escapes is a bug and shows its traceback.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class PreftuneError(Exception):
    """One clear sentence; ``exit_code`` 1 unless a subclass says otherwise."""

    exit_code = 1

    def __init__(
        self,
        sentence: str,
        *,
        remedy: str = "",
        file: str | Path | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(sentence, remedy, str(file) if file else None, line)
        self.sentence = sentence
        self.remedy = remedy
        self.file = str(file) if file is not None else None
        self.line = line

    def __str__(self) -> str:
        place = (
            f" ({self.file}" + (f", line {self.line})" if self.line else ")") if self.file else ""
        )
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.sentence}{place}{remedy}"

    def as_json(self) -> dict[str, object]:
        return {
            "sentence": self.sentence,
            "file": self.file,
            "line": self.line,
            "remedy": self.remedy,
        }


class BadInput(PreftuneError):
    """The recipe, the data or the model given cannot be used as it is: exit 2."""

    exit_code = 2


class RunFailed(PreftuneError):
    """The work started and could not finish (disk full, NaN loss, a lock held): exit 1."""


class Waiting(PreftuneError):
    """The run waits for people: nothing is wrong, and the same command goes on later: exit 0.

    ``facts`` say what it waits for, for programs.
    """

    exit_code = 0

    def __init__(
        self, sentence: str, *, remedy: str = "", facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(sentence, remedy=remedy)
        self.facts = dict(facts or {})

    def as_json(self) -> dict[str, object]:
        return {"sentence": self.sentence, "remedy": self.remedy, **self.facts}


class GateRefused(PreftuneError):
    """A gate said no: the pipeline stops with the metric, the threshold and the evidence."""
