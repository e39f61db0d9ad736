"""Completions to reward, and modules of a user's rewards written on the spot."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preftune.records import Completion, Prompt, StopReason, Text


def completions(*texts: str, prompt: Text = "Why?", **columns: list[Any]) -> list[Completion]:
    """One completion a text; ``columns`` hold one item for each."""
    return [
        Completion(
            Prompt(prompt, {name: column[place] for name, column in columns.items()}),
            text,
            StopReason.EOS,
            "v",
        )
        for place, text in enumerate(texts)
    ]


Write = Callable[[str], Path]


def module_writer(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "my_rewards") -> Write:
    """Writes ``my_rewards.py`` into the working folder, forgotten by Python each time."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source: str) -> Path:
        monkeypatch.delitem(sys.modules, name, raising=False)
        path = folder / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        return path

    return write
