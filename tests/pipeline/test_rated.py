"""Mean ratings and the share of the gap closed, from ratings files and from samples."""

from pathlib import Path

import numpy as np
import pytest

from preftune.pipeline.rated import means, rated_by, rating_gap
from preftune.records import BadInput
from tests.cli.command import write_rows

LEVELS = {"sft": 3.0, "ppo": 4.5, "human": 6.0}


def ratings(tmp_path: Path) -> Path:
    rows = [
        {
            "prompt": f"q{n}",
            "completion": f"{model} {n}",
            "ratings": {"overall": level + 0.5 * (-1) ** n, "tone": None},
            "model": model,
        }
        for n in range(10)
        for model, level in LEVELS.items()
    ]
    return write_rows(tmp_path / "rated.jsonl", *rows)


def gap(path: Path, axis: str = "overall", **who: str) -> dict[str, object]:
    names = {"policy": "ppo", "start": "sft", "reference": "human"} | who
    rng = np.random.default_rng(0)
    return rating_gap(rated_by(path, axis), **names, scale=(1, 7), rng=rng)


def test_half_of_the_way_is_half(tmp_path: Path) -> None:
    found = gap(ratings(tmp_path))
    assert found["prompts"] == 10
    assert found["share_closed"]["value"] == pytest.approx(0.5)  # type: ignore[index]
    assert found["policy"]["rating"]["value"] == pytest.approx(4.5)  # type: ignore[index]
    all_means = means(rated_by(ratings(tmp_path), "overall"))
    assert {name: one["value"] for name, one in all_means.items()} == pytest.approx(LEVELS)


def test_samples_of_an_evaluation_hold_ratings_too(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "samples.jsonl",
        *[
            {
                "id": f"p{n}",
                "prompt": "x",
                "samples": [
                    {"policy": model, "text": "t", "scores": {"rating": level + 0.1 * n}}
                    for model, level in LEVELS.items()
                ],
            }
            for n in range(6)
        ],
    )
    assert gap(path, "rating")["share_closed"]["value"] == pytest.approx(0.5)  # type: ignore[index]
    with pytest.raises(BadInput, match="on the axis 'overall'") as told:
        gap(path)
    assert told.value.remedy == "It has rating."


def test_what_nobody_rated_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Nothing of 'dpo'"):
        gap(ratings(tmp_path), policy="dpo")
    with pytest.raises(BadInput, match="outside the scale"):
        rating_gap(
            rated_by(ratings(tmp_path), "overall"),
            policy="ppo",
            start="sft",
            reference="human",
            scale=(1, 5),
            rng=np.random.default_rng(0),
        )
