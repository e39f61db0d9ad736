"""Policies of one or several runs against each other, from answers to the same prompts.

Every two policies that answered one prompt played a game of it, decided by a score of the evaluate
stages' samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from preftune.records import BadInput, Estimate
from preftune.reports.reading import Run, StageView, mapping, number, read_run, rows
from preftune.stats import (
    Standings,
    length_controlled_win_rate,
    outcome,
    standings,
    win_rate,
    word_count,
)


@dataclass(slots=True)
class Games:
    """Columns of equal length; ``outcomes`` are 1 (first won), .5, 0."""

    first: list[str] = field(default_factory=list)
    second: list[str] = field(default_factory=list)
    outcomes: list[float] = field(default_factory=list)
    more_words: list[int] = field(default_factory=list)
    """Words of the first minus the second's."""
    prompts: list[str] = field(default_factory=list)

    def add(self, first: str, second: str, won: float, more_words: int, prompt: str) -> None:
        self.first.append(first)
        self.second.append(second)
        self.outcomes.append(won)
        self.more_words.append(more_words)
        self.prompts.append(prompt)


@dataclass(frozen=True, slots=True)
class Meeting:
    """All games of two policies: the first's win rate, and the same read at equal length."""

    first: str
    second: str
    win_rate: Estimate
    length_controlled_win_rate: Estimate | None

    def as_json(self) -> dict[str, Any]:
        controlled = self.length_controlled_win_rate
        return {
            "first": self.first,
            "second": self.second,
            "win_rate": self.win_rate.as_json(),
            "length_controlled_win_rate": None if controlled is None else controlled.as_json(),
        }


def games_of_runs(
    folders: Sequence[str | Path], *, by: str = "judge", tie_width: float = 0.0
) -> Games:
    """Games of all policies in the runs' evaluate stages on prompts they share.

    A policy is called by its name, in several runs by RUN/NAME; the same weights under several
    names play once, under the first. ``by`` is a key of the samples' scores; two no further apart
    than ``tie_width`` tie. The first stage that has a policy counts.
    BadInput where fewer than two policies have scores for a common prompt.
    """
    runs = [read_run(Path(folder)) for folder in folders]
    told: dict[str, dict[str, tuple[float, int]]] = {}
    """{prompt: {policy: (score, words)}}"""
    names: dict[str, str] = {}
    """{version of the weights: the policy's name}"""
    for run in runs:
        for stage in run.stages:
            for answer in _answers(stage, by):
                called = _called(run, answer.policy, len(runs) > 1)
                name = names.setdefault(answer.version or called, called)
                known = told.setdefault(answer.prompt, {})
                known.setdefault(name, (answer.score, answer.words))
    games = Games()
    for prompt, answers in told.items():
        for one, two in combinations(sorted(answers), 2):
            (a, a_words), (b, b_words) = answers[one], answers[two]
            games.add(one, two, outcome(a, b, tie_width), a_words - b_words, prompt)
    if not games.first:
        raise BadInput(
            f"No two policies have a score {by!r} for the same prompt.",
            file=folders[0] if folders else None,
            remedy="Name runs whose evaluate stages have the same prompts and a judge.",
        )
    return games


def table_of(games: Games, *, rng: np.random.Generator) -> Standings:
    """Bradley–Terry and Elo, intervals clustered by prompt."""
    return standings(games.first, games.second, games.outcomes, games.prompts, rng=rng)


def meetings(games: Games) -> list[Meeting]:
    """Every two policies that met, both orders of naming put together."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, (one, two) in enumerate(zip(games.first, games.second, strict=True)):
        found.setdefault((min(one, two), max(one, two)), []).append(place)
    made = []
    for (one, two), places in sorted(found.items()):
        turned = [games.first[place] != one for place in places]
        won = [
            1 - games.outcomes[place] if other else games.outcomes[place]
            for place, other in zip(places, turned, strict=True)
        ]
        gaps = [
            -games.more_words[place] if other else games.more_words[place]
            for place, other in zip(places, turned, strict=True)
        ]
        prompts = [games.prompts[place] for place in places]
        controlled = length_controlled_win_rate(won, np.array(gaps, dtype=np.float64), prompts)
        made.append(Meeting(one, two, win_rate(won, prompts), controlled))
    return made


def standings_json(games: Games, *, rng: np.random.Generator) -> dict[str, Any]:
    """The table and the meetings as one JSON object."""
    table = table_of(games, rng=rng)
    return {
        "games": len(games.first),
        "prompts": len(set(games.prompts)),
        "tie": table.tie,
        "warning": table.warning or None,
        "standings": [
            {
                "name": row.name,
                "rating": row.rating.as_json(),
                "elo": row.elo.as_json(),
                "rank": list(row.rank),
                "wins": row.wins,
                "ties": row.ties,
                "losses": row.losses,
            }
            for row in table.rows
        ],
        "meetings": [meeting.as_json() for meeting in meetings(games)],
    }


def _called(run: Run, name: str, several: bool) -> str:
    return f"{run.folder.resolve().name}/{name}" if several else name


@dataclass(frozen=True, slots=True)
class _Answer:
    prompt: str
    policy: str
    version: str
    score: float
    words: int


def _answers(stage: StageView, by: str) -> list[_Answer]:
    """Those of an evaluate stage's samples that have this score."""
    found = []
    for row in stage.samples if stage.kind == "evaluate" else ():
        for answer in rows(row.get("samples")):
            score = number(mapping(answer.get("scores")).get(by))
            if score is not None:
                policy, version = (str(answer.get(k) or "") for k in ("policy", "policy_version"))
                words = word_count(str(answer.get("text", "")))
                found.append(_Answer(str(row.get("id")), policy, version, score, words))
    return found
