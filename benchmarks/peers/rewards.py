"""A reward that both sides compute alike, from the text of a response alone."""

from typing import Any


def vowels(completions: list[str], **columns: Any) -> list[float]:
    """The share of vowels among a response's characters."""
    return [sum(letter in "aeiou" for letter in text) / max(len(text), 1) for text in completions]
