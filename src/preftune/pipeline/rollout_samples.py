"""A few responses of every iteration with what each reward gave them: ``rollouts.jsonl``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftune.data import read_rows, to_row, write_rows
from preftune.records import Axes, Completion, Score
from preftune.rewards import parts_of

KEPT = 8
"""Responses written down of each iteration, the first ones."""


@dataclass(frozen=True, slots=True)
class RecordedScore:
    """A score that writes down the first responses it is asked about.

    An iteration that is done again after a stop takes the place of what it left before.
    """

    score: Score
    path: Path

    @property
    def origin(self) -> str:
        return self.score.origin

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        scored = self.score(completions)
        fresh = [
            sample_row(completion, axes)
            for completion, axes in zip(completions[:KEPT], scored, strict=False)
        ]
        versions = {row["policy_version"] for row in fresh}
        known = read_rows(self.path) if self.path.exists() else []
        kept = [row for row in known if row["policy_version"] not in versions]
        write_rows(self.path, [*kept, *fresh])
        return scored


def sample_row(completion: Completion, axes: Axes | None) -> dict[str, Any]:
    """Prompt, response, whose it is, its score and the breakdown."""
    return {
        "prompt": to_row(completion.prompt)["prompt"],
        "completion": completion.text,
        "stop_reason": str(completion.stop_reason),
        "policy_version": completion.policy_version,
        "score": None if axes is None else axes["score"],
        "rewards": {} if axes is None else parts_of(axes),
    }
