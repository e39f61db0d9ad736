"""A job: what one process is asked to do, the same for both sides but for the files it reads."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one side.

    ``rows`` is a JSONL file in the order the side reads it. ``batch`` rows (or responses) make an
    optimizer step; the first of ``steps`` is warm-up. ``length`` is the longest row in tokens, or
    for work that generates the most new tokens. ``lengths`` says how long responses are.
    """

    work: str
    side: str
    variant: str
    model: str
    reward: str
    rows: str
    batch: int
    steps: int
    length: int
    precision: str
    threads: int
    learning_rate: float
    seed: int = 0
    lengths: str = "mixed"
    epochs: int = 1
    samples: int = 1
    script: str = ""
    """The file of what responses say; empty where nothing is generated."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the peer beyond its own defaults."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def read_rows(self) -> list[dict[str, Any]]:
        text = Path(self.rows).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]
