"""Games decided by people: the models of a row's two answers, the majority as the outcome."""

from pathlib import Path

import numpy as np
import pytest

from preftune.pipeline.people_games import games_of_people
from preftune.records import BadInput
from preftune.reports.games import meetings, standings_json
from tests.cli.command import write_rows


def row(n: int, winner: str, loser: str, share: float = 1.0) -> dict[str, object]:
    return {
        "prompt": f"q{n}",
        "chosen": "yes it is",
        "rejected": "no",
        "probability": share,
        "model_chosen": winner,
        "model_rejected": loser,
    }


def test_a_row_is_a_game_whichever_model_is_named_first(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "said.jsonl",
        *[row(n, "ppo", "sft") for n in range(8)],
        *[row(n, "sft", "ppo", 0.75) for n in range(8, 12)],
        row(12, "sft", "ppo", 0.5),
        row(13, "ppo", "ppo"),
    )
    games = games_of_people(path)
    assert len(games.first) == 13
    [met] = meetings(games)
    assert (met.first, met.second) == ("ppo", "sft")
    assert met.win_rate.value == pytest.approx(8.5 / 13)
    found = standings_json(games, rng=np.random.default_rng(1))
    assert found["standings"][0]["name"] == "ppo"


def test_rows_that_name_no_models_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "said.jsonl", {"prompt": "q", "chosen": "a", "rejected": "b"})
    with pytest.raises(BadInput, match="names the models"):
        games_of_people(path)
