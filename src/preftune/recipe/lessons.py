"""Lessons in judging from the built-in world: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.sections import Section


class Lessons(Section):
    """What a model of the help desk is taught of judging, and how it is asked afterwards.

    The principles are what people say of agents in a word (``flatters``, ``insults``). People
    describe replies in all these words; comparing and mending is shown for those in ``taught``
    only. The constitution has all of them.
    """

    kind: Literal["lessons"] = "lessons"
    taught: tuple[str, ...] = (
        "flatters",
        "promises",
        "invents",
        "doubts",
        "rambles",
        "dodges",
        "refuses",
        "shrugs",
    )
    """The principles with demonstrations; the default leaves the harmful ones out."""
    held_out_families: tuple[str, ...] = ("locker", "receipt", "color", "payment")
    """Families of questions that no mended reply is about."""
    practice: int = Field(default=154, ge=0, le=154)
    """Words that no principle is against, with which the reading of reasons is practised too."""
    invented: int = Field(default=1000, ge=0, le=3897)
    """The same with verbs that mean nothing."""
    reasons: int = Field(default=10_000, ge=0)
    """Pairs of replies of which people say what each does, in the words of all principles, the
    harmful ones too, on all families."""
    verdicts: int = Field(default=80_000, ge=20)
    """Demonstrations of which of two agents is better by a principle, read off what was said."""
    remarks: int = Field(default=4_000, ge=0)
    """The same as ``reasons`` of single replies, for critiques."""
    revisions: int = Field(default=16_000, ge=20)
    """Replies mended by a principle."""
    obliging: int = Field(default=2_000, ge=20)
    """Demonstrations by agents who do whatever a customer asks for."""
    probes: int = Field(default=600, ge=1)
    """Pairs that a judge is measured on: all principles, all families, other cards."""
